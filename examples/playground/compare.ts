import type { NeuralDiffError } from 'neural-diff';
import { diffFiles, diffStores } from 'neural-diff/diff';
import { compareTensors, factsOf } from './compare-tensors.js';
import type { Comparison, Job, PickedFile, SizeRow, Tell } from './jobs.js';
import { openPicked, type PickedModel, readBlob } from './picked-files.js';

/** Compressors that some browsers have, by the name that these know. */
const COMPRESSORS = { gzip: 'gzip', brotli: 'Brotli', zstd: 'Zstandard' } as const;

/** Bytes that a compressor gets at once. */
const PIECE_BYTES = 2 ** 20;

/** Compares two models tensor by tensor, and makes the payload that turns one into the other. */
export async function compare(
  { base: first, next: second }: Extract<Job, { type: 'compare' }>,
  tell: Tell,
): Promise<Comparison> {
  const [base, next] = [await openPicked(first), await openPicked(second)];
  const rows = await compareTensors(base.store, next.store, tell);
  const made = await makePayload(base, next, tell);
  const names = rows.map(({ name }) => name);
  const others = ({ store }: PickedModel): string[] =>
    store.tensors.map(({ name }) => name).filter((name) => !names.includes(name));
  const { payload, makesFiles } = made;
  const sizes = [
    { name: 'Whole model', bytes: sizeOf(second) },
    ...(await compressedSizes({ first, second }, tell)),
    { name: 'This payload, lossless', bytes: payload.size },
  ];
  return {
    base: factsOf(base.store, made.base),
    next: factsOf(next.store, made.next),
    ...{ rows, sizes, payload, makesFiles },
    ...{ added: others(next), removed: others(base) },
  };
}

const sizeOf = (files: readonly PickedFile[]): number => files.reduce((sum, { blob }) => sum + blob.size, 0);

/** Makes a payload of the values where both have the same tensors, else one that makes the files. */
async function makePayload(base: PickedModel, next: PickedModel, tell: Tell) {
  const options = { onProgress: tell.progress };
  const isSame = (await base.store.outside?.())?.digest === (await next.store.outside?.())?.digest;
  if (isSame) {
    try {
      return { ...(await collect(await diffStores(base.store, next.store, options))), makesFiles: false };
    } catch (error) {
      if ((error as NeuralDiffError).code !== 'wrong-layout') throw error;
    }
  }
  const { store, files } = next;
  const diff = await diffFiles(base.store, { store, files }, options);
  return { ...(await collect(diff)), makesFiles: true };
}

async function collect(diff: Awaited<ReturnType<typeof diffStores>>) {
  const pieces: BlobPart[] = [];
  for await (const piece of diff.pieces) pieces.push(piece.slice());
  return { payload: new Blob(pieces), base: diff.base, next: diff.next };
}

/** @returns bytes of the next model and of its differences to the base, by this browser's compressors */
async function compressedSizes(
  { first, second }: { first: readonly PickedFile[]; second: readonly PickedFile[] },
  tell: Tell,
): Promise<SizeRow[]> {
  const formats = Object.keys(COMPRESSORS).filter(isSupported) as (keyof typeof COMPRESSORS)[];
  const bases = new Map(first.map(({ path, blob }) => [path, blob]));
  const pairs = second.map(({ path, blob }) => ({ next: blob, base: bases.get(path) }));
  const hasAlike = second.length === 1 || pairs.some(({ next, base }) => base?.size === next.size);
  if (second.length === 1) for (const pair of pairs) pair.base ??= first[0]?.blob;
  const total = sizeOf(second) * formats.length * (hasAlike ? 2 : 1);
  let done = 0;
  const onBytes = (bytes: number): void => {
    done += bytes;
    tell.progress({ phase: 'compress', done, total });
  };
  const rows: SizeRow[] = [];
  const counted = (piece: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> => {
    onBytes(piece.length);
    return piece;
  };
  for (const format of formats) {
    let [alone, delta] = [0, 0];
    for (const { next, base = new Blob() } of pairs) {
      alone += await compressedSize(next.size, format, async (at) => counted(await pieceOf(next, at)));
      if (!hasAlike) continue;
      delta += await compressedSize(next.size, format, async (at) =>
        counted(await differences(next, base, at)),
      );
    }
    rows.push({ name: `Whole model, ${COMPRESSORS[format]}`, bytes: alone });
    if (hasAlike) rows.push({ name: `Differences of bytes, ${COMPRESSORS[format]}`, bytes: delta });
  }
  return rows;
}

function isSupported(format: string): boolean {
  try {
    return new CompressionStream(format as CompressionFormat) !== undefined;
  } catch {
    return false;
  }
}

/** @param pieceAt gives each piece by its offset */
async function compressedSize(
  size: number,
  format: string,
  pieceAt: (offset: number) => Promise<Uint8Array<ArrayBuffer>>,
): Promise<number> {
  let at = 0;
  const pieces = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      if (at >= size) return controller.close();
      controller.enqueue(await pieceAt(at));
      at += PIECE_BYTES;
    },
  });
  const reader = pieces.pipeThrough(new CompressionStream(format as CompressionFormat)).getReader();
  let compressed = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read())
    compressed += part.value.length;
  return compressed;
}

/** @returns a piece of a file */
function pieceOf(blob: Blob, at: number): Promise<Uint8Array<ArrayBuffer>> {
  return readBlob(blob.slice(at, at + PIECE_BYTES));
}

/** @returns each byte of a piece of a file less the one at its place in the other */
async function differences(next: Blob, base: Blob, at: number): Promise<Uint8Array<ArrayBuffer>> {
  const old = await pieceOf(base, at);
  return (await pieceOf(next, at)).map((byte, i) => byte - (old[i] ?? 0));
}
