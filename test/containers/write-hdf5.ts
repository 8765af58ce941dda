import h5wasm, { type Dataset, type File as Hdf5, type LIBVER_BOUND } from 'h5wasm';
import { vi } from 'vitest';
import type { DType, Model } from '../../src/model/tensor.js';

const { FS } = await h5wasm.ready;
const FILE = '/model.h5';

/** How the HDF5 library takes elements; it has no types for halves in JavaScript. */
const ARRAYS: Readonly<Partial<Record<DType, typeof Float32Array | typeof Int8Array>>> = {
  float32: Float32Array,
  int8: Int8Array,
  uint8: Uint8Array as unknown as typeof Int8Array,
  int32: Int32Array as unknown as typeof Int8Array,
};

/**
 * The oldest version of the library that must be able to read a file: `earliest` for groups in trees of
 * symbols.
 */
export type Oldest = LIBVER_BOUND;

/** @returns the file that a function fills, by the HDF5 library; the same bytes on any day */
export function buildHdf5(fill: (file: Hdf5) => void, oldest: Oldest = 'earliest'): Uint8Array {
  vi.useFakeTimers({ toFake: ['Date'], now: 1e12 });
  try {
    const file = new h5wasm.File(FILE, 'w', { libver: [oldest, 'latest'] });
    fill(file);
    file.close();
  } finally {
    vi.useRealTimers();
  }
  return FS.readFile(FILE).slice();
}

/** @returns a model as an HDF5 file; slashes in names make groups */
export function writeHdf5({ tensors }: Model, oldest: Oldest = 'earliest'): Uint8Array {
  return buildHdf5((file) => {
    const groups = new Set<string>();
    for (const { name, dtype, shape, bytes } of tensors) {
      for (const { index } of name.matchAll(/\//g)) {
        const group = name.slice(0, index);
        if (!groups.has(group)) file.create_group(group);
        groups.add(group);
      }
      const Elements = ARRAYS[dtype];
      if (Elements === undefined)
        throw new TypeError(`Expected a dtype that the library writes, got ${dtype}`);
      file.create_dataset({ name, data: new Elements(bytes.slice().buffer), shape: [...shape] });
    }
  }, oldest);
}

/** @returns what the HDF5 library reads of a dataset */
export function readHdf5(bytes: Uint8Array, name: string): unknown {
  FS.writeFile(FILE, bytes);
  const file = new h5wasm.File(FILE, 'r');
  const { value } = file.get(name) as Dataset;
  file.close();
  return value;
}
