import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { SourceError } from '../common/source-error.js';

/** Pixels a side of a picture. */
export const PICTURE_SIDE = 28;

/** Pixels of a picture. */
export const PICTURE_PIXELS = PICTURE_SIDE * PICTURE_SIDE;

/** Where the Debian package `dataset-fashion-mnist` puts the pictures. */
export const DEFAULT_FOLDER = '/usr/share/datasets/fashion-mnist';

/** Bytes that an unpacked file may have: the largest of the set has 47,040,016. */
const FILE_BYTES_LIMIT = 64 * 1024 * 1024;

const LABELS_MAGIC = 0x0801;
const PICTURES_MAGIC = 0x0803;

/**
 * Why pictures were refused: `missing`, the folder lacks a file, and the message says what to install;
 * `bad-file`, a file is not what its name says and has to be installed again.
 */
export type PicturesErrorCode = 'missing' | 'bad-file';

/** A folder of pictures that cannot be used. */
export class PicturesError extends SourceError<PicturesErrorCode> {
  override readonly name = 'PicturesError';
}

/** Pictures and what they show. */
export interface Pictures {
  /** Row-major, a byte a pixel, one picture after another. */
  readonly pixels: Uint8Array;
  /** A class from 0 to 9 each. */
  readonly labels: Uint8Array;
}

/**
 * Reads one part of Fashion-MNIST (Xiao et al., "Fashion-MNIST: a Novel Image Dataset for Benchmarking
 * Machine Learning Algorithms", 2017).
 *
 * @param folder with `train-images-idx3-ubyte.gz` and its like
 * @param part `train` has 60,000 pictures, `t10k` 10,000 others
 * @throws PicturesError
 */
export async function readPictures(folder: string, part: 'train' | 't10k'): Promise<Pictures> {
  const pixels = readIdx(await unpack(folder, `${part}-images-idx3-ubyte.gz`), PICTURES_MAGIC);
  const labels = readIdx(await unpack(folder, `${part}-labels-idx1-ubyte.gz`), LABELS_MAGIC);
  if (pixels.length === labels.length * PICTURE_PIXELS) return { pixels, labels };
  const message = `Cannot use "${folder}": expected a label a picture, got ${labels.length} for ${pixels.length} pixels`;
  throw new PicturesError('bad-file', message);
}

async function unpack(folder: string, name: string): Promise<Uint8Array> {
  const path = join(folder, name);
  try {
    return await promisify(gunzip)(await readFile(path), { maxOutputLength: FILE_BYTES_LIMIT });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      const message = `Cannot find "${path}": install the Debian package dataset-fashion-mnist, or name the folder of its files with --data`;
      throw new PicturesError('missing', message, { cause: error });
    }
    throw new PicturesError('bad-file', `Cannot unpack "${path}": expected a gzip file`, { cause: error });
  }
}

/**
 * Reads an IDX file of bytes: a magic number, a 32-bit big-endian size for each dimension, the bytes.
 *
 * @param magic 0x0801 for a list, 0x0803 for a list of pictures
 * @returns a view of the bytes after the header
 * @throws PicturesError `bad-file`
 */
export function readIdx(file: Uint8Array, magic: number): Uint8Array {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const dimensions = magic & 0xff;
  const start = 4 + 4 * dimensions;
  if (file.length < start || view.getUint32(0) !== magic) {
    const found = file.length < 4 ? `${file.length} bytes` : view.getUint32(0).toString(16);
    throw new PicturesError('bad-file', `Cannot read IDX file: expected ${magic.toString(16)}, got ${found}`);
  }
  let bytes = 1;
  for (let i = 0; i < dimensions; i++) bytes *= view.getUint32(4 + 4 * i);
  if (file.length !== start + bytes) {
    const message = `Cannot read IDX file: expected ${start + bytes} bytes, got ${file.length}`;
    throw new PicturesError('bad-file', message);
  }
  return file.subarray(start);
}
