import { spawn } from 'node:child_process';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { type BrotliOptions, brotliCompress, constants, createBrotliCompress } from 'node:zlib';
import { CHUNK_BYTES } from '../model/limits.js';
import type { WeightStore } from '../model/store.js';
import { byteLength, DTYPES, type TensorInfo, totalBytes } from '../model/tensor.js';
import { openFolder } from './folder.js';
import { listModelFiles, locateModel } from './open-model.js';

/** Bytes up to which a model is compressed completely with the best settings, which take 2 s a MiB. */
const WHOLE_BYTES = 2 ** 21;

/** Pieces of a larger model that are compressed so, spread evenly, and bytes of each. */
const PIECES = 16;
const PIECE_BYTES = 2 ** 16;

/**
 * Bytes above which xz alone is run for elements of several bytes: it was the smaller one for each of 17
 * published models of floats, by 1 to 8 %, and takes a sixth of the time.
 */
const XZ_ALONE_BYTES = 2 ** 18;

/** Bytes of a larger model up to which all of it is compressed with a fast setting; others in part. */
const FAST_BYTES = 2 ** 25;

const QUALITY = 11;
const FAST_QUALITY = 5;

/**
 * Bits of Brotli's windows: for a few MiB; for a fast pass over all of a larger model; for one over parts,
 * which lie too far from each other to repeat, where a smaller window saves memory.
 */
const WINDOW_BITS = 22;
const WHOLE_WINDOW_BITS = 24;
const PART_WINDOW_BITS = 18;

/** The size of a model under the best general compressor. */
export interface CompressedSize {
  readonly bytes: number;
  /** Whether the size is extrapolated from a sample. */
  readonly isEstimate: boolean;
  /** The compressor: xz is tried where it is installed. */
  readonly by: 'brotli -q 11' | 'xz -9e';
}

/** Bytes in any number of files or tensors, one behind the other. */
interface Content {
  readonly length: number;
  /** Bytes of most elements: 1, 2, 4 or 8. */
  readonly step: number;
  /** Fills `target` from an offset on. */
  readInto(at: number, target: Uint8Array): Promise<void>;
}

/**
 * Computes the size of a model's concatenated tensors under the best of `brotli -q 11` and, where that
 * program is installed, `xz -9e` with positions of bytes in elements as contexts.
 *
 * Above 2 MiB it is an estimate: the size of a sample, corrected by what a fast setting makes of the sample
 * and of the whole.
 *
 * @throws any error of the store; the signal's reason
 */
export function compressedSize(store: WeightStore, signal?: AbortSignal): Promise<CompressedSize> {
  const parts = store.tensors.map((info): Part => {
    const { name } = info;
    return { length: byteLength(info), readInto: (at, target) => store.readInto(name, at, target) };
  });
  return sizeOf(concatenated(parts, stepOf(store.tensors)), signal);
}

/**
 * Same as `compressedSize`, of all files of a model on disk; of its tensors where the files compress them
 * already.
 *
 * @param path as for `openModel`
 * @param store the model at that path
 * @throws NeuralDiffError as `openModel`; the signal's reason
 */
export async function compressedFiles(
  path: string,
  store: WeightStore,
  signal?: AbortSignal,
): Promise<CompressedSize> {
  const { folder, names } = await filesOf(path, store);
  const files = await openFolder(folder);
  try {
    const parts: Part[] = [];
    for (const name of names) {
      const length = await files.size(name);
      parts.push({ length, readInto: (at, target) => files.readInto(name, at, target) });
    }
    const content = concatenated(parts, stepOf(store.tensors));
    if (content.length < totalBytes(store.tensors)) return await compressedSize(store, signal);
    return await sizeOf(content, signal);
  } finally {
    await files.close();
  }
}

/** @returns the folder and the files of an open model */
async function filesOf(
  path: string,
  store: WeightStore,
): Promise<{ folder: string; names: readonly string[] }> {
  const parts = await store.parts?.();
  // A store that does not know its files is opened again.
  if (parts === undefined) return listModelFiles(path);
  return { folder: (await locateModel(path)).folder, names: parts.paths };
}

type Part = Omit<Content, 'step'>;

function concatenated(parts: readonly Part[], step: number): Content {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return {
    length,
    step,
    async readInto(at, target) {
      let start = 0;
      for (const part of parts) {
        const from = Math.max(at, start);
        const to = Math.min(at + target.length, start + part.length);
        if (from < to) await part.readInto(from - start, target.subarray(from - at, to - at));
        start += part.length;
      }
    },
  };
}

/** @returns the bytes of an element in most of a model */
function stepOf(tensors: readonly TensorInfo[]): number {
  const totals = new Map<number, number>();
  for (const info of tensors) {
    const { bytes } = DTYPES[info.dtype];
    totals.set(bytes, (totals.get(bytes) ?? 0) + byteLength(info));
  }
  return [...totals].sort(([, a], [, b]) => b - a)[0]?.[0] ?? 1;
}

async function sizeOf(content: Content, signal?: AbortSignal): Promise<CompressedSize> {
  signal?.throwIfAborted();
  if (content.length <= WHOLE_BYTES) {
    const whole = new Uint8Array(content.length);
    await content.readInto(0, whole);
    return { ...(await bestOf(whole, content.step, signal)), isEstimate: false };
  }
  const sample = await readSample(content);
  const fast = await fastSize(content, signal);
  const { bytes, by } = await bestOf(sample, content.step, signal);
  // What repeats over long distances is in the whole and not in the sample: a ratio estimate corrects it.
  const ofFast = bytes / (await brotliSize(sample, FAST_QUALITY));
  return { bytes: Math.round(ofFast * fast), by, isEstimate: true };
}

async function readSample({ length, readInto }: Content): Promise<Uint8Array> {
  const sample = new Uint8Array(PIECES * PIECE_BYTES);
  for (let i = 0; i < PIECES; i++) {
    const middle = ((i + 0.5) * length) / PIECES;
    // Whole chunks of 64 bytes keep the position of a byte in its element.
    const at = 64 * Math.floor((middle - PIECE_BYTES / 2) / 64);
    await readInto(at, sample.subarray(i * PIECE_BYTES, (i + 1) * PIECE_BYTES));
  }
  return sample;
}

/** @returns the size under Brotli's fast setting, extrapolated from every n-th chunk of very large content */
async function fastSize(content: Content, signal?: AbortSignal): Promise<number> {
  const every = Math.max(1, Math.ceil(content.length / FAST_BYTES));
  let [read, bytes] = [0, 0];
  const buffer = new Uint8Array(Math.min(CHUNK_BYTES, content.length));
  // A chunk is read when the stream has taken the one before: both are longer than what it holds back.
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < content.length; at += every * CHUNK_BYTES) {
      signal?.throwIfAborted();
      const chunk = buffer.subarray(0, content.length - at);
      await content.readInto(at, chunk);
      read += chunk.length;
      yield chunk;
    }
  }
  await pipeline(
    chunks(),
    createBrotliCompress(brotliOptions(FAST_QUALITY, every === 1 ? WHOLE_WINDOW_BITS : PART_WINDOW_BITS)),
    async (pieces: AsyncIterable<Uint8Array>) => {
      for await (const piece of pieces) bytes += piece.length;
    },
  );
  return (bytes / read) * content.length;
}

/** @returns the smaller result; Brotli is left out where xz is known to be the smaller one */
async function bestOf(
  bytes: Uint8Array,
  step: number,
  signal?: AbortSignal,
): Promise<Omit<CompressedSize, 'isEstimate'>> {
  const xz = await xzSize(bytes, step, signal);
  signal?.throwIfAborted();
  const isXzAlone = xz !== undefined && step > 1 && bytes.length > XZ_ALONE_BYTES;
  const brotli = isXzAlone ? Number.POSITIVE_INFINITY : await brotliSize(bytes, QUALITY);
  signal?.throwIfAborted();
  return xz !== undefined && xz < brotli
    ? { bytes: xz, by: 'xz -9e' }
    : { bytes: brotli, by: 'brotli -q 11' };
}

async function brotliSize(bytes: Uint8Array, quality: number): Promise<number> {
  return (await promisify(brotliCompress)(bytes, brotliOptions(quality, WINDOW_BITS))).length;
}

function brotliOptions(quality: number, windowBits: number): BrotliOptions {
  return {
    params: { [constants.BROTLI_PARAM_QUALITY]: quality, [constants.BROTLI_PARAM_LGWIN]: windowBits },
  };
}

/**
 * Runs `xz`. Its literals are coded with the position of a byte in its element as context (`lp`, `pb`), which
 * takes 2 to 8 % off models of floats.
 *
 * @returns undefined where the program is not installed or fails
 */
async function xzSize(bytes: Uint8Array, step: number, signal?: AbortSignal): Promise<number | undefined> {
  const child = spawn('xz', ['-c', '-q', '-T1', xzFilter(step)], {
    stdio: ['pipe', 'pipe', 'ignore'],
    signal,
  });
  let size = 0;
  child.stdout.on('data', (piece: Uint8Array) => {
    size += piece.length;
  });
  // A program that does not start, or ends early, breaks the pipe.
  child.stdin.on('error', () => undefined).end(bytes);
  const status = await new Promise((resolve) => child.on('error', resolve).on('close', resolve));
  return status === 0 ? size : undefined;
}

/** @returns the filter of `xz` for elements of so many bytes, with a dictionary for all that it is given */
function xzFilter(step: number): string {
  const bits = Math.log2(step);
  const contexts = bits === 0 ? '' : `,lc=${bits === 1 ? 1 : 0},lp=${bits},pb=${bits}`;
  return `--lzma2=preset=9e,dict=${2 * WHOLE_BYTES}${contexts}`;
}
