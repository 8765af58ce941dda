import { type ModelFiles, NeuralDiffError, openContainer, type WeightStore } from 'neural-diff';
import type { PickedFile } from './jobs.js';

/** What is kept in memory of a file that is written, in pieces of this size. */
const PIECE_BYTES = 2 ** 20;

/** Main files that identify a folder as a model, and endings of files that are models by themselves. */
const MAIN_FILES = ['model.json', 'model.safetensors.index.json', 'model.safetensors', 'model.onnx'];
const ENDINGS = /\.(safetensors|onnx|gguf|tflite|h5|hdf5|keras|npz|npy)$/i;

/** A model that a person chose; writing changes a copy. */
export interface PickedModel {
  readonly store: WeightStore;
  readonly main: string;
  readonly files: ModelFiles & { readonly list: () => PickedFile[] };
}

/**
 * Opens a model from chosen files: one in any format, or those of a folder.
 *
 * @throws NeuralDiffError `file-not-found` where no file is a model's main file; errors of `openContainer`
 */
export async function openPicked(picked: readonly PickedFile[]): Promise<PickedModel> {
  const files = openBlobs(picked);
  const main = mainOf(picked.map(({ path }) => path));
  return { store: await openContainer(files, main), main, files };
}

function mainOf(paths: readonly string[]): string {
  const found =
    MAIN_FILES.find((name) => paths.includes(name)) ??
    paths.find((path) => ENDINGS.test(path)) ??
    (paths.length === 1 ? paths[0] : paths.find((path) => path.endsWith('.json')));
  if (found !== undefined) return found;
  const message = `Cannot open model: expected a model file or all files of its folder, got ${paths.length} files`;
  throw new NeuralDiffError('file-not-found', message);
}

/** Opens chosen files as a folder: read piece by piece, and written to copies of the pieces. */
export function openBlobs(picked: readonly PickedFile[], mayCreate = false): PickedModel['files'] {
  const blobs = new Map(picked.map(({ path, blob }) => [path, new WritableBlob(blob)]));
  const create = (path: string): void => {
    if (mayCreate && !blobs.has(path)) blobs.set(path, new WritableBlob(new Blob()));
  };
  const blobAt = (path: string): WritableBlob => {
    const blob = blobs.get(path);
    if (blob) return blob;
    throw new NeuralDiffError('file-not-found', `Cannot open "${path}": choose it together with the model`);
  };
  return {
    size: async (path) => blobAt(path).size,
    readInto: async (path, offset, target) => blobAt(path).readInto(offset, target),
    async write(path, offset, bytes) {
      create(path);
      await blobAt(path).write(offset, bytes);
    },
    flush: async () => {},
    close: async () => {},
    list: () => Array.from(blobs, ([path, file]) => ({ path, blob: file.toBlob() })),
  };
}

/** Of workers; the types of pages lack it. */
declare class FileReaderSync {
  readAsArrayBuffer(blob: Blob): ArrayBuffer;
}

/** How long a blob may take to be read before it is read another way, in milliseconds. */
const READ_MS = 1_000;

/** Reads a blob in a worker: synchronously where the browser does not answer, as WebKit does now and then. */
export async function readBlob(blob: Blob): Promise<Uint8Array<ArrayBuffer>> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<ArrayBuffer>((resolve) => {
    timer = setTimeout(() => resolve(new FileReaderSync().readAsArrayBuffer(blob)), READ_MS);
  });
  try {
    return new Uint8Array(await Promise.race([blob.arrayBuffer(), late]));
  } finally {
    clearTimeout(timer);
  }
}

/** A blob whose bytes can be overwritten, and more written behind them. */
class WritableBlob {
  size: number;
  readonly #blob: Blob;
  /** Pieces that were written, by their number. */
  readonly #pieces = new Map<number, Uint8Array<ArrayBuffer>>();

  constructor(blob: Blob) {
    this.#blob = blob;
    this.size = blob.size;
  }

  async readInto(offset: number, target: Uint8Array): Promise<void> {
    if (offset + target.length > this.size)
      throw new NeuralDiffError(
        'bad-model',
        `Cannot read ${target.length} bytes at ${offset} of ${this.size}`,
      );
    if (this.#pieces.size === 0) return target.set(await this.#read(offset, target.length));
    for (const [piece, start, end] of piecesOf(offset, target.length)) {
      const at = piece * PIECE_BYTES;
      const bytes = this.#pieces.get(piece)?.subarray(start - at, end - at);
      target.set(bytes ?? (await this.#read(start, end - start)), start - offset);
    }
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    for (const [piece, start, end] of piecesOf(offset, bytes.length)) {
      const at = piece * PIECE_BYTES;
      const copy = this.#pieces.get(piece) ?? (await this.#readPiece(at));
      copy.set(bytes.subarray(start - offset, end - offset), start - at);
      this.#pieces.set(piece, copy);
    }
    this.size = Math.max(this.size, offset + bytes.length);
  }

  /** @returns the file with what was written */
  toBlob(): Blob {
    const parts: BlobPart[] = [];
    for (const [piece, start, end] of piecesOf(0, this.size))
      parts.push(this.#pieces.get(piece)?.subarray(0, end - start) ?? this.#blob.slice(start, end));
    return new Blob(parts);
  }

  /** @returns a piece of full length, zeros behind the end */
  async #readPiece(at: number): Promise<Uint8Array<ArrayBuffer>> {
    const piece = new Uint8Array(PIECE_BYTES);
    piece.set(await this.#read(at, PIECE_BYTES));
    return piece;
  }

  #read(start: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    return readBlob(this.#blob.slice(start, start + length));
  }
}

/** @returns the pieces that a range touches, each with the part of the range in it */
function piecesOf(offset: number, length: number): [piece: number, start: number, end: number][] {
  const found: [number, number, number][] = [];
  for (let start = offset; start < offset + length; ) {
    const piece = Math.floor(start / PIECE_BYTES);
    const end = Math.min(offset + length, (piece + 1) * PIECE_BYTES);
    found.push([piece, start, end]);
    start = end;
  }
  return found;
}
