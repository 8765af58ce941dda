import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FilesForge, type ForgedTensor } from '../../scripts/forge-files.js';
import { NeuralDiffError } from '../../src/model/errors.js';
import type { TensorInfo } from '../../src/model/tensor.js';
import { sourceOf } from '../../src/payload/byte-source.js';
import { encodeStructure } from '../../src/payload/encode-structure.js';
import { codeTable, type FilesTable, frameName, openFilesRecord } from '../../src/payload/files-record.js';
import { RangeEncoder } from '../../src/payload/range-encoder.js';
import { codeOf, concat, createRandom, seededBytes } from '../support.js';

const BASE: readonly TensorInfo[] = [
  { name: 'a', dtype: 'float32', shape: [3, 4] },
  { name: 'b', dtype: 'int8', shape: [10] },
  { name: 'c', dtype: 'float64', shape: [2] },
];
const NONE: Uint8Array = new Uint8Array(0);
const SHA = seededBytes(1, 32);

const TABLE: FilesTable = {
  files: [
    { path: 'model.json', bytes: 100, sha256: SHA },
    { path: 'größe/a-1.bin', bytes: 200, sha256: seededBytes(2, 32) },
  ],
  base: { bytes: 7, digest: seededBytes(3, 16) },
  tensors: [
    { name: frameName(0), ...{ dtype: 'float64', shape: [2] }, gap: 100, source: 2 },
    { name: frameName(1), ...{ dtype: 'float32', shape: [3, 4] }, gap: 0, source: 0 },
    { name: frameName(2), ...{ dtype: 'float32', shape: [5, 4] }, gap: 3, source: 0 },
    { name: frameName(3), ...{ dtype: 'bfloat16', shape: [] }, gap: 0 },
  ],
};

function encode(table: FilesTable, base: Uint8Array, structure: Uint8Array): Uint8Array {
  const encoder = new RangeEncoder();
  codeTable(encoder, BASE, table);
  encodeStructure(encoder, base, structure);
  return encoder.finish();
}

test('openFilesRecord() reads files, tensors, their sources and the structure', async () => {
  const [base, structure] = [seededBytes(4, 7), seededBytes(5, 300 - 16 - 48 - 80 - 2)];
  const { readStructure, ...table } = openFilesRecord(sourceOf(encode(TABLE, base, structure)), BASE);
  expect(table).toEqual(TABLE);
  expect(await readStructure(base)).toEqual(structure);
});

/** A table of one file without tensors. */
const oneFile = (bytes: number): FilesTable => ({ files: [{ path: 'm', bytes, sha256: SHA }], tensors: [] });

const readAlone = (record: Uint8Array, base = NONE): Promise<Uint8Array> =>
  openFilesRecord(sourceOf(record), BASE).readStructure(base);

test('structures come back, whatever they share with the base and with themselves', async () => {
  const piece = fc.record({
    seed: fc.integer({ min: 0, max: 5 }),
    from: fc.integer({ min: 0, max: 60 }),
    length: fc.integer({ min: 0, max: 300 }),
    step: fc.constantFrom(0, 0, 1, 255),
  });
  const text: fc.Arbitrary<Uint8Array> = fc
    .array(piece, { maxLength: 6 })
    .map(
      (pieces): Uint8Array =>
        concat(
          ...pieces.map(({ seed, from, length, step }) =>
            Uint8Array.from(seededBytes(seed, from + length).slice(from), (byte: number) => byte + step),
          ),
        ),
    );
  await fc.assert(
    fc.asyncProperty(text, text, async (base, structure) => {
      expect(await readAlone(encode(oneFile(structure.length), base, structure), base)).toEqual(structure);
    }),
    { numRuns: 60, seed: 22 },
  );
});

test('readStructure() stops when it is cancelled', async () => {
  const structure = seededBytes(3, 20_000);
  const opened = openFilesRecord(sourceOf(encode(oneFile(20_000), NONE, structure)), BASE);
  const reason = new Error('enough');
  await expect(opened.readStructure(NONE, AbortSignal.abort(reason))).rejects.toBe(reason);
});

test('a structure that is that of the base with a few other bytes takes little', () => {
  const base = seededBytes(6, 20_000);
  const random = createRandom(7);
  const next = concat(base.subarray(0, 9_000), seededBytes(8, 40), base.subarray(9_000));
  for (let i = 0; i < 20; i++) next[random() % next.length] = random();
  const bytes = encode(oneFile(next.length), base, next).length;
  expect(bytes).toBeLessThan(250);
  expect(encode(oneFile(next.length), NONE, next).length).toBeGreaterThan(19_000);
});

test.each([1, 2, 4])('sorted numbers of %i bytes take few bits each', async (width) => {
  const random = createRandom(11);
  const numbers = new Uint8Array(width * 9_000);
  for (let [i, number] = [0, 0]; i < 9_000; i++, number += 1 + (random() % 8)) {
    if (i % 300 === 0) number = 0;
    for (let byte = 0; byte < width; byte++) numbers[width * i + byte] = number >>> (8 * byte);
  }
  const text = new TextEncoder().encode('a text before and after numbers');
  const structure = concat(text, numbers, text);
  const record = encode(oneFile(structure.length), NONE, structure);
  expect(await readAlone(record, NONE)).toEqual(structure);
  expect((8 * record.length) / 9_000).toBeLessThan(4);
});

const file = (path: string | Uint8Array, bytes = 4) => ({ path, bytes });
const withFiles = (...files: ReturnType<typeof file>[]) => new FilesForge().files(files).base().tensors([]);
const withTensors = (...tensors: ForgedTensor[]) =>
  new FilesForge()
    .files([file('m', 200)])
    .base()
    .tensors(tensors);
const float32 = (...shape: number[]) => ({ type: { code: 1, shape } });

const REFUSED: Record<string, [code: string, forge: FilesForge]> = {
  'a path out of the folder': ['unsafe-path', withFiles(file('../m'))],
  'an absolute path': ['unsafe-path', withFiles(file('m'), file('/etc/m'))],
  'a path with a colon': ['unsafe-path', withFiles(file('c:m'))],
  'a path that updates use': ['unsafe-path', withFiles(file('model.json.undo'))],
  'a second file that updates use': ['unsafe-path', withFiles(file('m'), file('.m.tmp'))],
  'two files of one name': ['corrupt-payload', withFiles(file('m'), file('n'), file('n'))],
  'the main file twice': ['corrupt-payload', withFiles(file('m'), file('m'))],
  'names that differ in case alone': ['corrupt-payload', withFiles(file('m'), file('M'))],
  'a file that is a folder of another': ['corrupt-payload', withFiles(file('m'), file('m/n'))],
  'a name that is not UTF-8': ['corrupt-payload', withFiles(file(Uint8Array.of(0xff)))],
  'a name with U+FEFF': ['corrupt-payload', withFiles(file('m\ufeff'))],
  'a name of 1,025 bytes': ['limit-exceeded', withFiles(file('m'.repeat(1_025)))],
  'files of more than 2^40 bytes': ['limit-exceeded', withFiles(file('m', 2 ** 40), file('n', 1))],
  '4,097 files': ['limit-exceeded', new FilesForge().files([file('m')], 4_097)],
  'a base whose structure is too large': [
    'limit-exceeded',
    new FilesForge().files([file('m')]).base({ bytes: 2 ** 26 + 1, digest: new Uint8Array(16) }),
  ],
  'a structure of more than 2^26 bytes': ['limit-exceeded', withFiles(file('m', 2 ** 26 + 1))],
  '65,537 tensors': [
    'limit-exceeded',
    new FilesForge()
      .files([file('m')])
      .base()
      .tensors([], 65_537),
  ],
  'tensors beyond the files': ['corrupt-payload', withTensors(float32(51))],
  'a gap beyond the files': ['corrupt-payload', withTensors({ gap: 197, ...float32(1) })],
  'a tensor without elements': ['corrupt-payload', withTensors(float32(0, 3))],
  'an unknown dtype': ['corrupt-payload', withTensors({ type: { code: 15, shape: [1] } })],
  'nine dimensions': ['limit-exceeded', withTensors(float32(1, 1, 1, 1, 1, 1, 1, 1, 1))],
  'more elements than a tensor may have': ['corrupt-payload', withTensors(float32(65_536, 65_536))],
  'a source before the first tensor': ['corrupt-payload', withTensors({ source: -1 })],
  'a source after the last tensor': ['corrupt-payload', withTensors({ source: 3 })],
};

describe('openFilesRecord()', () => {
  test.each(Object.entries(REFUSED))('refuses %s', async (_, [code, forge]) => {
    expect(await codeOf(() => openFilesRecord(sourceOf(forge.finish()), BASE))).toBe(code);
  });
});

test('4,096 long paths of many folders take little memory', () => {
  const paths = Array.from({ length: 4_096 }, (_, i) => file(`${i}/${'a/'.repeat(150)}a`, 0));
  const record = withFiles(...paths).finish();
  const before = process.memoryUsage().heapUsed;
  expect(openFilesRecord(sourceOf(record), BASE).files.length).toBe(4_096);
  // The folders of all paths, joined, are 90 MB.
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(60e6);
});

const STRUCTURES: Record<string, FilesForge> = {
  'a match before the first byte': withFiles(file('m', 8)).distance(1, 8),
  'a repeat before the first byte': withFiles(file('m', 8)).repeat(8),
  'a match of more bytes than are left': new FilesForge()
    .files([file('m', 8)])
    .base({ bytes: 20, digest: new Uint8Array(16) })
    .tensors([])
    .seek(0, 9),
  'a place before the base': new FilesForge()
    .files([file('m', 8)])
    .base({ bytes: 20, digest: new Uint8Array(16) })
    .tensors([])
    .seek(-1, 8),
  'numbers of eight bytes': withFiles(file('m', 80)).numbers(3, 1),
  'more numbers than bytes are left': withFiles(file('m', 80)).numbers(2, 21),
  'a run of more than 4,096 numbers': withFiles(file('m', 80_000)).numbers(0, 4_097),
  'bytes that are left over': withFiles(file('m', 0)).raw(Uint8Array.of(1, 2, 3, 4, 5)),
};

test.each(Object.entries(STRUCTURES))('readStructure() refuses %s', async (_, forge) => {
  const opened = openFilesRecord(sourceOf(forge.finish()), BASE);
  const base = new Uint8Array(opened.base?.bytes ?? 0);
  expect(await codeOf(() => opened.readStructure(base))).toBe('corrupt-payload');
});

test('a record that is cut or changed anywhere ends in a code, or gives something else', async () => {
  const structure = seededBytes(9, 120);
  const record = encode(oneFile(120), NONE, structure);
  const read = async (bytes: Uint8Array): Promise<string> => {
    const { files, tensors, readStructure } = openFilesRecord(sourceOf(bytes), BASE);
    return JSON.stringify([files, tensors, [...(await readStructure(NONE))]]);
  };
  const whole = await read(record);
  let refused = 0;
  for (let at = 0; at < record.length; at++) {
    const changed = record.slice();
    changed[at] = (record[at] as number) ^ (1 << (at % 8));
    for (const bytes of [record.slice(0, at), changed]) {
      const found = await read(bytes).catch((error) => {
        expect(error).toBeInstanceOf(NeuralDiffError);
        refused++;
        return '';
      });
      expect(found).not.toBe(whole);
    }
  }
  expect(refused).toBeGreaterThan(50);
});
