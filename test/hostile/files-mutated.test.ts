import { unpackMultiple } from 'msgpackr';
import { expect, test } from 'vitest';
import { pack, seal } from '../../scripts/golden-seal.js';
import { applyPayload } from '../../src/apply/apply-payload.js';
import { openContainer } from '../../src/containers/open-container.js';
import { openMemoryFiles } from '../../src/model/model-files.js';
import type { Model } from '../../src/model/tensor.js';
import type { ByteSource } from '../../src/payload/byte-source.js';
import { readMadeFiles } from '../../src/payload/files-record.js';
import { openPayload } from '../../src/payload/open-payload.js';
import type { Disk } from '../../src/storage/disk.js';
import { installSlots, openSlots } from '../../src/storage/slots.js';
import { writeSafetensors } from '../containers/write-safetensors.js';
import { diffMaps, type FileMap } from '../exact-diff/files/make-files.js';
import { createFaultyDisk, type FaultyDisk } from '../rig/faulty-disk.js';
import { concat, createRandom, seededTensor } from '../support.js';
import { mutate, mutateInPlace } from './mutate.js';
import { type HostileCase, tryCases } from './try-cases.js';

const MAIN = 'model.safetensors';
const RUNS = 4_000;

const kernel = seededTensor('kernel', 'float32', [16, 12], 1);
const bias = seededTensor('bias', 'float32', [12], 2);
const moved = { ...kernel, bytes: kernel.bytes.map((byte, i) => (i % 8 === 0 ? byte ^ 1 : byte)) };
const grown: Model = { tensors: [moved, bias, seededTensor('scale', 'float32', [9], 3)] };

const text = (words: string): Uint8Array => new TextEncoder().encode(words);
const base: FileMap = new Map([
  [MAIN, writeSafetensors({ tensors: [kernel, bias] })],
  ['vocab.txt', text('a b c')],
]);
const next: FileMap = new Map([
  [MAIN, writeSafetensors(grown)],
  ['vocab.txt', text('a b c d e')],
  ['texts/empty.txt', new Uint8Array(0)],
]);

const open = (disk: Disk) =>
  openSlots({ disk, folder: 'model', openModel: (files) => openContainer(files, MAIN) });

/** @returns what is in a model's active folder, by path */
async function filesIn(disk: Disk): Promise<Map<string, Uint8Array>> {
  const folder = await open(disk).folder();
  const found = new Map<string, Uint8Array>();
  for (const path of (await disk.list(folder)).sort()) {
    const bytes = new Uint8Array((await disk.size(path)) ?? 0);
    await disk.readInto(path, 0, bytes);
    found.set(path.slice(folder.length + 1), bytes);
  }
  return found;
}

const sorted = (files: FileMap) => new Map([...files].sort(([a], [b]) => (a < b ? -1 : 1)));

async function installed(): Promise<FaultyDisk> {
  const disk = createFaultyDisk();
  await installSlots(
    { disk, folder: 'model', openModel: (files) => openContainer(files, MAIN) },
    openMemoryFiles(base),
    [...base.keys()],
  );
  return disk.afterCut('none');
}

/** The parts of a payload, as msgpack values: magic, header, records, checksum. */
type Parts = readonly [string, unknown[], ...Uint8Array[]];

/** Ways to damage a payload that then has a right checksum. */
const WAYS: readonly ((parts: Parts, random: () => number) => Uint8Array[])[] = [
  // Bytes of a record set, flipped, cut out, doubled or put in.
  ([, , ...records], random) => at(records, random, (record) => mutate(record, random)),
  ([, , ...records], random) => at(records, random, (record) => mutateInPlace(record, random)),
  // Few changes near the beginning, where the files and tensors are.
  ([, , first = new Uint8Array(), ...others], random) => {
    const head = first.subarray(0, 400);
    return [concat(mutateInPlace(head, random), first.subarray(head.length)), ...others];
  },
  // A record that ends early.
  ([, , ...records], random) => at(records, random, (record) => record.subarray(0, random() % record.length)),
  // Records in another order, or one of them twice.
  ([, , ...records], random) => {
    const [from, to] = [random() % records.length, random() % records.length];
    return records.map((record, i) => (i === to ? (records[from] as Uint8Array) : record));
  },
  ([, , ...records]) => records.reverse(),
];

/** @returns the records with one of them changed */
function at(
  records: Uint8Array[],
  random: () => number,
  change: (record: Uint8Array) => Uint8Array,
): Uint8Array[] {
  const chosen = random() % records.length;
  return records.map((record, i) => (i === chosen ? change(record) : record));
}

async function damaged(parts: Parts, random: () => number): Promise<Uint8Array> {
  const way = WAYS[random() % WAYS.length] as (typeof WAYS)[number];
  const records = way(parts, random);
  return seal(concat(pack(parts[0]), pack(parts[1]), ...records.map(pack)));
}

test('mutated payloads that make files are refused by a code, or make the right files', async () => {
  const { payload } = await diffMaps(base, next, [...next.keys()].slice(1));
  const disk = await installed();
  const { header } = await openPayload(payload);
  const parts = unpackMultiple(payload).slice(0, -1) as unknown as Parts;
  expect(parts.length).toBeGreaterThan(3);
  const outcomes = { base: 0, next: 0 };
  async function apply(copy: FaultyDisk, bytes: Uint8Array): Promise<void> {
    const storage = open(copy);
    try {
      await storage.update(async (store) => void (await applyPayload(store, bytes)), header);
    } catch (error) {
      outcomes.base++;
      expect(await storage.recover()).toBe('settled');
      expect(await filesIn(copy)).toEqual(sorted(base));
      expect(await copy.list('model/made')).toEqual([]);
      throw error;
    }
    outcomes.next++;
    // Only a signature covers the names of files next to the model: one may be another.
    const made = readMadeFiles((await openPayload(bytes)).files as ByteSource).map(({ path }) => path);
    const contents = [...next.values()].map((file, i): [string, Uint8Array] => [made[i] as string, file]);
    expect(made.length).toBe(contents.length);
    expect(made[0]).toBe(MAIN);
    expect(await filesIn(copy)).toEqual(sorted(new Map([...base, ...contents])));
    await storage.rollback();
    expect(await filesIn(copy)).toEqual(sorted(base));
  }
  function* cases(): Generator<HostileCase> {
    yield { name: 'the payload itself', run: () => apply(disk.clone(), payload) };
    const random = createRandom(9);
    for (let i = 0; i < RUNS; i++)
      yield {
        name: `mutation ${i}`,
        run: async () => apply(disk.clone(), await damaged(parts, random)),
      };
  }
  const counts = await tryCases('mutated payloads of files', cases());
  expect(counts.accepted).toBe(outcomes.next);
  expect(counts.cases).toBe(outcomes.base + outcomes.next);
  expect(outcomes.base).toBeGreaterThan(RUNS / 2);
  expect(outcomes.next).toBeGreaterThan(0);
  const { refused } = counts;
  for (const code of ['corrupt-payload', 'limit-exceeded', 'result-mismatch'])
    expect(refused[code] ?? 0).toBeGreaterThan(0);
});
