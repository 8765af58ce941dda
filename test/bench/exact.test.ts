import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { timeProgram } from '../../bench/common/time-program.js';
import { writeSafetensors } from '../../bench/common/write-safetensors.js';
import { goalsOf, type MeasuredPair } from '../../bench/exact/goals.js';
import { type Contents, decodeDelta, encodeDelta } from '../../bench/exact/int-delta.js';
import type { ProgramResult } from '../../bench/exact/programs.js';
import { copyModel } from '../../src/model/store.js';
import { openModel } from '../../src/node/open-model.js';
import { concat, sampleModel, seededBytes, seededTensor } from '../support.js';

const folder = mkdtempSync(join(tmpdir(), 'neural-diff-bench-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const contents = (seed: number, rest: number): Contents => ({
  tensors: sampleModel(seed).tensors,
  rest: seededBytes(rest, 100),
});
const bytesOf = ({ tensors, rest }: Contents): Uint8Array =>
  concat(...tensors.map(({ bytes }) => bytes), rest);

describe.each([true, false])('encodeDelta() with planes: %s', (isSplit) => {
  const roundTrip = (base: Contents, next: Contents) => {
    const delta = encodeDelta(base, next, { isSplit });
    const read = Buffer.concat([Buffer.of(0), delta]).subarray(1);
    expect(decodeDelta(base, read)).toEqual(bytesOf(next));
    return delta;
  };

  test('leads to the next model, in every dtype', () => {
    const same = roundTrip(contents(1, 1), contents(7, 1));
    expect(roundTrip(contents(1, 1), contents(7, 2)).length).toBeGreaterThan(same.length + 90);
    expect(roundTrip(contents(1, 1), contents(1, 1)).every((byte, i) => i < 24 || byte === 0)).toBe(true);
  });

  test('matches tensors of other names, order and number', () => {
    const base = contents(1, 1);
    const extra = seededTensor('extra', 'float16', [3, 3], 5);
    const renamed = base.tensors.map((tensor, i) => (i === 2 ? { ...tensor, name: 'other' } : tensor));
    roundTrip(base, { ...base, tensors: [extra, ...renamed].reverse() });
    roundTrip({ ...base, tensors: [extra, ...base.tensors] }, base);
  });
});

test('writeSafetensors() writes what openModel() reads', async () => {
  const tensors = [seededTensor('a', 'float32', [3, 2], 1), seededTensor('b', 'bfloat16', [5], 2)];
  const path = join(folder, 'model.safetensors');
  writeSafetensors(path, { tensors });
  const store = await openModel(path);
  expect(await copyModel(store)).toEqual({ tensors });
  await store.close();
});

test('timeProgram() measures a process, and tells what failed', async () => {
  const output = join(folder, 'output');
  const code = 'const end = Date.now() + 300; while (Date.now() < end); process.stdout.write("done")';
  const run = await timeProgram(process.execPath, ['-e', code], { output });
  if ('problem' in run) throw new Error(run.problem);
  expect(readFileSync(output, 'utf8')).toBe('done');
  for (const value of [run.cpuSeconds, run.peakBytes]) expect(value === null || value > 0).toBe(true);
  writeFileSync(join(folder, 'broken.mjs'), 'process.stderr.write("why"); process.exit(3)');
  const failed = await timeProgram(process.execPath, [join(folder, 'broken.mjs')]);
  expect(failed).toEqual({ problem: 'exit status 3: why' });
  expect(await timeProgram('no-such-program', [])).toEqual({ problem: 'not installed' });
});

describe('goalsOf()', () => {
  const result = (tool: string, bytes: number | null): ProgramResult => ({
    tool,
    bytes,
    encodeSeconds: 1,
    decodeSeconds: 1,
    encodePeakBytes: 1,
    decodePeakBytes: 1,
    problem: bytes === null ? 'refused' : null,
  });
  const pair = (name: string, ours: number | null, isIdentical = false): MeasuredPair => ({
    name,
    results: [result('neural-diff', ours), result('bsdiff', 100), result('xz -9e', 120)],
    wholeBytes: 200,
    weights: 10,
    isIdentical,
  });
  const goalWith = (pairs: MeasuredPair[], id: string) =>
    goalsOf(pairs, undefined).find((goal) => goal.id === id);

  test('compares with the best other program, and takes the worst pair that is not identical', () => {
    const pairs = [pair('a', 50), pair('b', 90), pair('no change', 150, true)];
    expect(goalWith(pairs, 'exact.worst-ratio')?.value).toBe(0.9);
    expect(goalWith(pairs, 'exact.a.best-other-bytes')?.value).toBe(100);
    expect(goalWith(pairs, 'exact.no-change.bytes')).toMatchObject({ value: 150, goal: 40 });
    expect(
      goalWith([pair('light fine-tune, bfloat16', 50)], 'exact.light-fine-tune-bfloat16.bytes')?.goal,
    ).toBe(76);
  });

  test('counts a pair that is refused as the compressed files', () => {
    expect(goalWith([pair('a', 50), pair('b', null)], 'exact.worst-ratio')?.value).toBe(1.2);
  });
});
