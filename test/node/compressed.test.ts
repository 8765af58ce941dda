import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import { afterEach, expect, test, vi } from 'vitest';
import { openMemoryStore } from '../../src/model/store.js';
import { compressedFiles, compressedSize } from '../../src/node/compressed.js';
import { openModel } from '../../src/node/open-model.js';
import { npyFloats, writeZip } from '../containers/write-npz.js';
import { seededBytes, seededFloats } from '../support.js';

const folder = mkdtempSync(join(tmpdir(), 'neural-diff-compressed-'));
const at = (...names: string[]): string => join(folder, ...names);
const hasXz = spawnSync('xz', ['--version']).status === 0;

afterEach(() => void vi.unstubAllEnvs());

const noise = (length: number) => openMemoryStore(modelOf(seededBytes(4, length)));
const modelOf = (bytes: Uint8Array) => ({
  tensors: [{ name: 'a', dtype: 'uint8' as const, shape: [bytes.length], bytes }],
});

/** Weights as training leaves them: sums of uniform numbers, in float32. */
function weights(count: number): Uint8Array {
  const parts = [1, 2, 3].map((seed) => seededFloats(seed, count));
  const sums = Float32Array.from({ length: count }, (_, i) =>
    parts.reduce((sum, part) => sum + (part[i] ?? 0), 0),
  );
  return new Uint8Array(sums.buffer);
}

const floats = (bytes: Uint8Array) =>
  openMemoryStore({ tensors: [{ name: 'w', dtype: 'float32', shape: [bytes.length / 4], bytes }] });

test('compressedSize() is the smaller of brotli -q 11 and xz for a small model', async () => {
  const bytes = weights(15_000);
  const brotli = brotliCompressSync(bytes).length;
  const args = ['-c', '--lzma2=preset=9e,lc=0,lp=2,pb=2'];
  const xz = hasXz ? spawnSync('xz', args, { input: bytes }).stdout.length : Number.POSITIVE_INFINITY;
  const found = await compressedSize(floats(bytes));
  const by = xz < brotli ? 'xz -9e' : 'brotli -q 11';
  expect(found).toEqual({ bytes: Math.min(brotli, xz), isEstimate: false, by });
});

test('compressedSize() takes brotli alone where xz is not installed, or fails', async () => {
  const bytes = weights(3_000);
  const expected = { bytes: brotliCompressSync(bytes).length, isEstimate: false, by: 'brotli -q 11' };
  mkdirSync(at('empty'));
  vi.stubEnv('PATH', at('empty'));
  expect(await compressedSize(floats(bytes))).toEqual(expected);
  mkdirSync(at('failing'));
  writeFileSync(at('failing', 'xz'), '#!/bin/sh\nexit 1\n');
  chmodSync(at('failing', 'xz'), 0o755);
  vi.stubEnv('PATH', at('failing'));
  expect(await compressedSize(floats(bytes))).toEqual(expected);
});

test('compressedSize() estimates a large model, and sees what repeats over long distances', async () => {
  expect((await compressedSize(noise(2 ** 17))).isEstimate).toBe(false);
  const half = seededBytes(4, 3 * 2 ** 20);
  const large = new Uint8Array(2 * half.length);
  large.set(half, 0);
  large.set(half, half.length);
  const estimate = await compressedSize(openMemoryStore(modelOf(large)));
  expect(estimate.isEstimate).toBe(true);
  expect(estimate.bytes / large.length).toBeCloseTo(0.5, 2);
});

test('compressedSize() extrapolates a very large model from parts', async () => {
  const large = new Uint8Array(2 ** 26);
  const random = seededBytes(4, 2 ** 20);
  for (let start = 0; start < large.length; start += 2 ** 18) large.set(random.subarray(0, 2 ** 17), start);
  const estimate = await compressedSize(openMemoryStore(modelOf(large)));
  expect(estimate.isEstimate).toBe(true);
  expect(estimate.bytes).toBeLessThan(0.51 * large.length);
});

test('compressedFiles() counts what is outside of tensors, and no companions', async () => {
  const json = { about: 'noise', noise: Buffer.from(seededBytes(1, 3_000)).toString('base64') };
  const manifest = [{ paths: ['w.bin'], weights: [{ name: 'w', dtype: 'bool', shape: [5_000] }] }];
  mkdirSync(at('model'));
  writeFileSync(at('model', 'w.bin'), seededBytes(2, 5_000));
  writeFileSync(at('model', 'net.json'), JSON.stringify({ ...json, weightsManifest: manifest }));
  writeFileSync(at('model', 'README.md'), seededBytes(3, 50_000));
  const whole = await openModel(at('model'));
  const { bytes } = await compressedFiles(at('model'), whole);
  expect([bytes > 8_000, bytes < 9_000]).toEqual([true, true]);
  expect((await compressedSize(whole)).bytes).toBeLessThan(5_100);
  await whole.close();
});

test('compressedFiles() takes the tensors of files that compress them already', async () => {
  const bytes = weights(10_000);
  const entry = { name: 'w.npy', bytes: npyFloats(new Float32Array(bytes.buffer)) };
  for (const [name, method] of [
    ['plain', 0],
    ['deflated', 8],
  ] as const)
    writeFileSync(at(`${name}.npz`), writeZip([{ ...entry, method }]));
  for (const name of ['plain.npz', 'deflated.npz']) {
    const archive = await openModel(at(name));
    const [files, tensors] = [await compressedFiles(at(name), archive), await compressedSize(archive)];
    expect(files.bytes - tensors.bytes > 0).toBe(name === 'plain.npz');
    expect(files.bytes / tensors.bytes).toBeCloseTo(1, 2);
    await archive.close();
  }
});

test('compressedSize() throws the reason of an abort, before and during work', async () => {
  const reason = new Error('stopped');
  await expect(compressedSize(noise(1_000), AbortSignal.abort(reason))).rejects.toBe(reason);
  const stop = new AbortController();
  const running = compressedSize(floats(weights(60_000)), stop.signal);
  setTimeout(() => stop.abort(reason), 20);
  await expect(running).rejects.toBe(reason);
});
