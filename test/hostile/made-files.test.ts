import { expect, test } from 'vitest';
import { FilesForge, type ForgedFile, type ForgedTensor } from '../../scripts/forge-files.js';
import { makeFileSamples } from '../../scripts/golden-files.js';
import { header, pack, raw, seal } from '../../scripts/golden-seal.js';
import { applyPayload } from '../../src/apply/apply-payload.js';
import { equalBytes } from '../../src/model/bytes.js';
import { NeuralDiffError } from '../../src/model/errors.js';
import { openMemoryStore } from '../../src/model/store.js';
import type { Model } from '../../src/model/tensor.js';
import { createSha256 } from '../../src/node/files-model.js';
import { openRewritable } from '../../src/storage/storage.js';
import { writeSafetensors } from '../containers/write-safetensors.js';
import { diffMaps, filesOf, growingFiles, makeFilesOf, openFileMap } from '../exact-diff/files/make-files.js';
import { createRandom, seededTensor } from '../support.js';
import { mutate, mutateInPlace } from './mutate.js';
import { type HostileCase, tryCases } from './try-cases.js';

const base: Model = { tensors: [seededTensor('a', 'uint8', [1_024])] };

/** Bytes that the disk has. */
const FREE = 2 ** 29;

/** Codes of float64 and uint8, as docs/FORMAT.md lists them. */
const [FLOAT64, UINT8] = [12, 5];

const EMPTY = raw('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');

/** A payload of files, well-formed, but for a model that nothing results in. */
async function payloadOf(forge: FilesForge): Promise<Uint8Array> {
  const values = { ...(await header(base)), next: new Uint8Array(16), kinds: [9] };
  return seal(pack('ndiff1'), pack(Object.values(values)), pack(forge.finish()));
}

const forged = (files: ForgedFile[], tensors: ForgedTensor[] = []): FilesForge =>
  new FilesForge().files(files).base().tensors(tensors);

const times = <T>(count: number, make: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));

/** Applies a payload to a disk that counts what is written and keeps nothing. */
async function applyToDisk(payload: Uint8Array, signal?: AbortSignal): Promise<number> {
  let written = 0;
  const store = openRewritable(openMemoryStore(base), async (write) => {
    const files = growingFiles(new Map());
    await write({
      ...files,
      async reserve({ bytes }) {
        if (bytes > FREE) throw new NeuralDiffError('no-space', `${bytes} bytes`);
      },
      async write(_path, _offset, bytes) {
        written += bytes.length;
      },
    });
    throw new NeuralDiffError('empty-model', 'the disk keeps nothing');
  });
  await applyPayload(store, payload, { createSha256, ...(signal && { signal }) });
  return written;
}

async function* bombs(): AsyncGenerator<HostileCase> {
  const uint8 = (...shape: number[]): ForgedTensor => ({ type: { code: UINT8, shape } });
  const cases: [string, FilesForge][] = [
    [
      'a TiB of zeros',
      forged(
        [{ path: 'm', bytes: 2 ** 40 }],
        times(128, () => ({ type: { code: FLOAT64, shape: [2 ** 30] } })),
      ),
    ],
    ['4,096 empty files', forged(times(4_096, (i) => ({ path: `f${i}`, bytes: 0, sha256: EMPTY })))],
    [
      '65,536 tensors of one byte',
      forged(
        [{ path: 'm', bytes: 65_536 }],
        times(65_536, () => uint8(1)),
      ),
    ],
    [
      'one tensor of the base 65,536 times',
      forged(
        [{ path: 'm', bytes: 2 ** 26 }],
        times(65_536, (i) => ({ source: i === 0 ? 0 : -1 })),
      ),
    ],
    [
      'a tensor of 256 MiB from one of 1 kB',
      forged([{ path: 'm', bytes: 2 ** 28 }], [{ source: 0, ...uint8(2 ** 28) }]),
    ],
    ['structure of which nothing is said', forged([{ path: 'm', bytes: 2 ** 26 }])],
    [
      'names of 1,024 bytes',
      forged(times(4_096, (i) => ({ path: `${'n'.repeat(1_019)}${10_000 + i}`, bytes: 0 }))),
    ],
  ];
  for (const [name, forge] of cases) {
    const payload = await payloadOf(forge);
    yield { name, run: () => applyToDisk(payload) };
  }
}

test('payloads of few bytes that make many or large files end in time, and write nothing that is kept', async () => {
  const counts = await tryCases('file bombs', bombs(), { limitMs: 20_000, memory: 256e6 });
  expect(counts.accepted).toBe(0);
  expect(Object.keys(counts.refused).sort()).toEqual([
    'corrupt-payload',
    'empty-model',
    'no-space',
    'result-mismatch',
  ]);
});

test('64 MiB of structure from a short payload take no more than that', async () => {
  const files = { 'a.safetensors': writeSafetensors(base) };
  const next = filesOf({ ...files, 'vocab.txt': new Uint8Array(2 ** 26 - 2 ** 16) });
  const { payload } = await diffMaps(filesOf(files), next, ['vocab.txt']);
  expect(payload.length).toBeLessThan(1_000);
  const run = async (): Promise<void> => {
    const { store } = await openFileMap(filesOf(files));
    const { made } = await makeFilesOf(store, payload);
    expect(made.get('vocab.txt')?.length).toBe(2 ** 26 - 2 ** 16);
  };
  const counts = await tryCases('long structure', [{ name: 'zeros', run }], { limitMs: 20_000 });
  expect(counts.accepted).toBe(1);
});

test('making files can be cancelled at any time', async () => {
  const payload = await payloadOf(
    forged([{ path: 'm', bytes: FREE }], [{ source: 0, type: { code: UINT8, shape: [FREE] } }]),
  );
  const start = performance.now();
  await expect(applyToDisk(payload, AbortSignal.timeout(50))).rejects.toMatchObject({ name: 'TimeoutError' });
  expect(performance.now() - start).toBeLessThan(5_000);
});

test('a damaged payload of files makes the right files or none, and leaves the base as it is', async () => {
  const samples = await makeFileSamples();
  const random = createRandom(9);
  let made = 0;
  const cases = function* (): Generator<HostileCase> {
    for (const { name, payload, base: model, structure, next } of samples) {
      const expected = [...next.values()];
      for (let i = 0; i < 600; i++) {
        const change = i % 2 ? mutate : mutateInPlace;
        const changed = seal(change(payload.subarray(0, -10), random));
        const run = async (): Promise<void> => {
          const before = model.tensors.map(({ bytes }) => bytes.slice());
          const parts = async () => ({ paths: [], places: [], structure: async () => structure });
          const store = { ...openMemoryStore(model), parts };
          try {
            const found = [...(await makeFilesOf(store, await changed)).made.values()];
            expect(found.every((bytes, at) => equalBytes(bytes, expected[at] as Uint8Array))).toBe(true);
            made++;
          } finally {
            expect(model.tensors.map(({ bytes }) => bytes)).toEqual(before);
          }
        };
        yield { name: `${name}, change ${i}`, run };
      }
    }
  };
  const counts = await tryCases('damaged payloads of files', cases());
  expect(counts.refused['corrupt-payload']).toBeGreaterThan(1_000);
  expect(counts.accepted).toBe(made);
});
