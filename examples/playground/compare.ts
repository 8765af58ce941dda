import type { NeuralDiffError } from 'neural-diff';
import { diffFiles, diffStores } from 'neural-diff/diff';
import { compareTensors, factsOf } from './compare-tensors.js';
import type { Comparison, Job, PickedFile, SizeRow, Tell } from './jobs.js';
import { openPicked, type PickedModel } from './picked-files.js';

/** Compressors that some browsers have, by the name that these know. */
const COMPRESSORS = { gzip: 'gzip', brotli: 'Brotli', zstd: 'Zstandard' } as const;

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
  for (const format of formats) {
    let [alone, delta] = [0, 0];
    for (const { next, base } of pairs) {
      alone += await compressedSize(next.stream(), format, onBytes);
      if (hasAlike) delta += await compressedSize(differences(next, base), format, onBytes);
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

async function compressedSize(
  bytes: ReadableStream<Uint8Array<ArrayBuffer>>,
  format: string,
  onBytes: (bytes: number) => void,
): Promise<number> {
  let size = 0;
  const counted = bytes.pipeThrough(
    new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform(chunk, controller) {
        onBytes(chunk.length);
        controller.enqueue(chunk);
      },
    }),
  );
  const reader = counted.pipeThrough(new CompressionStream(format as CompressionFormat)).getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) size += part.value.length;
  return size;
}

/** @returns each byte of a file less the one at its place in the other */
function differences(next: Blob, base = new Blob()): ReadableStream<Uint8Array<ArrayBuffer>> {
  let at = 0;
  return next.stream().pipeThrough(
    new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      async transform(chunk, controller) {
        const old = new Uint8Array(await base.slice(at, at + chunk.length).arrayBuffer());
        at += chunk.length;
        controller.enqueue(chunk.map((byte, i) => byte - (old[i] ?? 0)));
      },
    }),
  );
}
