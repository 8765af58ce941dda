import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { openContainer } from '../../src/containers/open-container.js';
import { fromHex } from '../../src/model/bytes.js';
import { fingerprint } from '../../src/model/fingerprint.js';
import * as modelLimits from '../../src/model/limits.js';
import { openMemoryFiles } from '../../src/model/model-files.js';
import { layoutOf } from '../../src/payload/header.js';
import * as payloadLimits from '../../src/payload/limits.js';
import { xxh32 } from '../../src/payload/placement.js';

const root = new URL('../../', import.meta.url).pathname;
const text = readFileSync(`${root}docs/FORMAT.md`, 'utf8');

test('FORMAT.md shows the golden payload that it names, byte for byte', () => {
  const [, digits = ''] = /```hex\n([\s\S]*?)```/.exec(text) ?? [];
  const golden = readFileSync(`${root}test/golden/accept/sparse/payload.ndiff`);
  expect(digits.replace(/\s/g, '')).toBe(golden.toString('hex'));
  expect(text).toContain(`${golden.length} bytes that change`);
  expect(text).toContain(`XXH64 of the ${golden.length - 10} bytes`);
});

test('FORMAT.md lists the limits of model and payload, each with its value', () => {
  const rows = [...text.matchAll(/^\| `(MAX_\w+)` \| 2\^(\d+)( - 1)? \|/gm)];
  const listed = rows.map(([, name, power, less]) => [name, 2 ** Number(power) - (less ? 1 : 0)]);
  const { CHUNK_BYTES, MAX_MANIFEST_BYTES: _, ...ofModels } = modelLimits;
  const ofPayloads = Object.entries(payloadLimits).filter(([, value]) => typeof value === 'number');
  expect(Object.fromEntries(listed)).toEqual({ ...ofModels, ...Object.fromEntries(ofPayloads) });
  expect(text).toContain('chunks of 2^20 bytes');
  expect(CHUNK_BYTES).toBe(2 ** 20);
});

test('CONTAINERS.md shows a file with the tensors, the layout and the fingerprint that it names', async () => {
  const page = readFileSync(`${root}docs/CONTAINERS.md`, 'utf8');
  const [, digits = ''] = /```hex\n([\s\S]*?)```/.exec(page) ?? [];
  const file = fromHex(digits.replace(/\s/g, ''));
  expect(page).toContain(`A safetensors file of ${file.length} bytes`);
  const store = await openContainer(openMemoryFiles(new Map([['a.safetensors', file]])), 'a.safetensors');
  expect(store.tensors).toEqual([
    { name: 'ids', dtype: 'int64', shape: [2] },
    { name: 'flags', dtype: 'uint8', shape: [3] },
  ]);
  expect(page).toContain((await layoutOf(store.tensors)).toString(16));
  expect(page).toContain(await fingerprint(store));
});

test('FORMAT.md lists digests that xxh32() gives', () => {
  const rows = [...text.matchAll(/^\| (\d+) \| (\d+) \| `([0-9a-f]{8})` \|/gm)];
  expect(rows).toHaveLength(4);
  for (const [, key, seed, digest] of rows)
    expect(xxh32(Number(key), Number(seed)).toString(16).padStart(8, '0')).toBe(digest);
});
