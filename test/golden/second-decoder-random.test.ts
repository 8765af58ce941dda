import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { hex } from '../../src/model/bytes.js';
import { copyModel } from '../../src/model/store.js';
import { MAX_STRUCTURE_BYTES } from '../../src/payload/limits.js';
import { openPayload } from '../../src/payload/open-payload.js';
import { diffMaps, openFileMap } from '../exact-diff/files/make-files.js';
import { drawPair } from './random-files.js';
import { decodeAll, isThere, lineOf } from './second-decoder.js';

const PAIRS = 16;

/**
 * Writes a random payload that makes files as a case of the conformance kit.
 *
 * @returns the kinds of its records, and what the second decoder must print
 */
async function writeCase(folder: string, seed: number) {
  const { base, next, others } = drawPair(seed);
  const { store } = await openFileMap(base);
  const { payload, next: fingerprint } = await diffMaps(base, next, others);
  const structure = await (await store.parts?.())?.structure(MAX_STRUCTURE_BYTES);
  const { tensors } = await copyModel(store);
  const described = tensors.map(({ bytes, ...info }) => ({ ...info, bytes: hex(bytes) }));
  const facts = { base: { tensors: described, structure: hex(structure as Uint8Array) } };
  mkdirSync(folder);
  writeFileSync(join(folder, 'payload.ndiff'), payload);
  writeFileSync(join(folder, 'facts.json'), JSON.stringify(facts));
  const kinds = (await openPayload(payload)).records.map(({ kind }) => kind);
  return { kinds, line: lineOf(fingerprint, next) };
}

describe.skipIf(!isThere)('the second decoder', () => {
  test('makes the files of random pairs of models', async () => {
    const root = mkdtempSync(join(tmpdir(), 'second-decoder-'));
    onTestFinished(() => rmSync(root, { recursive: true }));
    const folders = Array.from({ length: PAIRS }, (_, seed) => join(root, `seed-${seed}`));
    const cases = await Promise.all(folders.map(writeCase));
    const kinds = cases.flatMap((each) => each.kinds);
    expect(kinds).toEqual(expect.arrayContaining(['delta', 'exact', 'set']));
    expect(decodeAll(folders)).toEqual(cases.map(({ line }) => line));
  });
});
