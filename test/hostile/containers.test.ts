import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { listExternalFiles, openContainer } from '../../src/containers/open-container.js';
import { type ModelFiles, openMemoryFiles } from '../../src/model/model-files.js';
import type { WeightStore } from '../../src/model/store.js';
import { byteLength, type Model } from '../../src/model/tensor.js';
import { writeGguf } from '../containers/write-gguf.js';
import { writeHdf5 } from '../containers/write-hdf5.js';
import { npyFloats, writeZip } from '../containers/write-npz.js';
import { externalData, field, nodeWith, onnxModel, tensorProto } from '../containers/write-onnx.js';
import { writeSafetensors } from '../containers/write-safetensors.js';
import { writeTflite } from '../containers/write-tflite.js';
import { concat, createRandom, seededTensor } from '../support.js';
import { BOMBS } from './model-bombs.js';
import { mutate, mutateInPlace } from './mutate.js';
import { type HostileCase, tryCases } from './try-cases.js';

/** Mutations of each container. */
const RUNS = 30_000;

/** Bytes that a small file may take. */
const BOMB_BYTES = 200_000;

/** Milliseconds for a file of that size. */
const LIMIT_MS = 2_000;

/** Bytes of a tensor that are read at its start and at its end. */
const SAMPLE_BYTES = 4_096;

const encoder = new TextEncoder();

/** @returns files in memory; those that are not there are empty ones */
function folderOf(files: Readonly<Record<string, Uint8Array>>): ModelFiles {
  const memory = openMemoryFiles(new Map(Object.entries(files)));
  return {
    ...memory,
    size: async (path) => files[path]?.length ?? 0,
    async readInto(path, offset, target) {
      const bytes = files[path] ?? new Uint8Array(0);
      if (offset < 0 || offset + target.length > bytes.length)
        throw new Error(`read of "${path}" from ${offset}, ${target.length} of ${bytes.length} bytes`);
      await memory.readInto(path, offset, target);
    },
  };
}

/** Opens a model and reads the ends of each of its tensors, and what it has besides. */
async function readModel(path: string, files: ModelFiles): Promise<void> {
  const store = await openContainer(files, path);
  await store.outside?.();
  await readEnds(store);
}

async function readEnds(store: WeightStore): Promise<void> {
  for (const info of store.tensors) {
    const length = byteLength(info);
    const piece = new Uint8Array(Math.min(SAMPLE_BYTES, length));
    await store.readInto(info.name, 0, piece);
    await store.readInto(info.name, length - piece.length, piece);
  }
}

/** Bytes that a bomb may take, garbage included. */
const BOMB_MEMORY = 128e6;

async function withinMemory(run: () => Promise<void>): Promise<void> {
  const held = (): number => process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers;
  const before = held();
  await run().finally(() => {
    if (held() - before > BOMB_MEMORY) throw new Error(`expected at most ${BOMB_MEMORY} bytes more`);
  });
}

const small: Model = {
  tensors: [
    seededTensor('layer/kernel', 'float32', [3, 4]),
    seededTensor('layer/bias', 'float32', [4]),
    seededTensor('table', 'int8', [2, 5]),
  ],
};
const [kernel, bias] = small.tensors as [Model['tensors'][0], Model['tensors'][0]];

const onnx = (): Uint8Array => {
  const constant = concat(
    field(2, 'c'),
    field(4, 'Constant'),
    field(5, concat(field(1, 'value'), field(5, tensorProto(bias)))),
  );
  const list = field(7, concat(field(1, 'F'), field(7, constant)));
  return concat(
    onnxModel(
      nodeWith(field(5, tensorProto(kernel))),
      field(1, constant),
      field(5, tensorProto({ ...kernel, name: 'far' }, externalData('data', 0, 48))),
      field(
        5,
        tensorProto({ ...bias, name: 'numbers', shape: [2] }, () => field(7, Uint8Array.of(1, 200, 1)), 7),
      ),
    ),
    field(25, list.subarray(2)),
  );
};

const layers = encoder.encode(
  JSON.stringify({
    modelTopology: { class_name: 'Sequential' },
    weightsManifest: [
      {
        paths: ['a.bin', 'b.bin'],
        weights: [
          { name: 'layer/kernel', dtype: 'float32', shape: [3, 4] },
          { name: 'q', dtype: 'float32', shape: [4], quantization: { dtype: 'uint8', scale: 0.5, min: 1 } },
        ],
      },
    ],
  }),
);

const index = encoder.encode(
  JSON.stringify({ metadata: {}, weight_map: { 'layer/kernel': '1.safetensors' } }),
);
const stored = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(join(import.meta.dirname, '..', 'containers', 'files', name)));
const arrays = (method: number): Uint8Array =>
  writeZip(
    ['a', 'b'].map((name) => ({ name: `${name}.npy`, bytes: npyFloats(new Float32Array(3)), method })),
  );

/** A small valid file of each container, and the other files that it needs. */
const FILES: Readonly<Record<string, { bytes: Uint8Array; others?: Record<string, Uint8Array> }>> = {
  'model.safetensors': { bytes: writeSafetensors(small, { format: 'pt' }) },
  'model.safetensors.index.json': {
    bytes: index,
    others: { '1.safetensors': writeSafetensors({ tensors: [kernel] }) },
  },
  'model.onnx': { bytes: onnx(), others: { data: kernel.bytes } },
  'model.tflite': { bytes: writeTflite(small) },
  'model.gguf': { bytes: writeGguf(small) },
  'model.h5': { bytes: writeHdf5(small) },
  'latest.h5': { bytes: writeHdf5(small, 'latest') },
  'model.keras': { bytes: stored('model.keras') },
  'model.npz': { bytes: arrays(0) },
  'deflated.npz': { bytes: arrays(8) },
  'array.npy': { bytes: npyFloats(new Float32Array(3)) },
  'model.json': { bytes: layers, others: { 'a.bin': new Uint8Array(20), 'b.bin': new Uint8Array(32) } },
};

function* mutations(path: string): Generator<HostileCase> {
  const random = createRandom(30);
  const { bytes, others = {} } = FILES[path] as (typeof FILES)[string];
  for (let i = 0; i < RUNS; i++)
    yield {
      name: `mutation ${i}`,
      run: async () => {
        const change = i % 2 === 0 ? mutate : mutateInPlace;
        const files = folderOf({ ...others, [path]: change(bytes, random) });
        await listExternalFiles(files, path);
        await readModel(path, files);
      },
    };
}

describe('openContainer()', () => {
  test.each(Object.keys(FILES))(
    `meets ${RUNS} mutations of %s with typed errors, or tensors within it`,
    async (path) => {
      const { bytes, others = {} } = FILES[path] as (typeof FILES)[string];
      await readModel(path, folderOf({ ...others, [path]: bytes }));
      const { accepted, refused } = await tryCases(path, mutations(path), { limitMs: LIMIT_MS });
      expect(accepted).toBeGreaterThan(0);
      expect(Object.values(refused).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(RUNS / 10);
    },
  );

  test('opens or refuses small files that ask for much work, in little time and memory', async () => {
    const cases = BOMBS.map(({ name, file, make }): HostileCase => {
      const bytes = make();
      expect(bytes.length, name).toBeLessThanOrEqual(BOMB_BYTES);
      return { name, run: () => withinMemory(() => readModel(file, folderOf({ [file]: bytes }))) };
    });
    const { cases: count } = await tryCases('small files that ask for much work', cases, {
      limitMs: LIMIT_MS,
    });
    expect(count).toBe(BOMBS.length);
  });
});
