import fc from 'fast-check';
import { expect, test } from 'vitest';
import { pairedGap, shareOf } from '../../../../src/report/interval.js';
import {
  choosePrecision,
  type PrecisionChoice,
  type PrecisionProbe,
} from '../../../../src/report/measure/precision/choose-precision.js';
import type { Values } from '../../../../src/train/part.js';
import { codeOf, createRandom, seededFloats } from '../../../support.js';

const [FEATURES, HIDDEN, CLASSES, EXAMPLES] = [6, 12, 4, 160];

/** Shapes of a network of two layers in plain arithmetic. */
const SHAPES = { first: [FEATURES, HIDDEN], bias: [HIDDEN], second: [HIDDEN, CLASSES] } as const;

/** @returns a network from a seed, its data labelled by itself and, for some examples, by chance */
function probeOf(seed: number, change: (values: Float32Array) => void = () => {}): PrecisionProbe {
  const tensors = Object.entries(SHAPES).map(([name, shape], i) => {
    const count = shape.reduce((product, size) => product * size, 1);
    const values = seededFloats(seed + i, count);
    if (name === 'second') change(values);
    return { name, dtype: 'float32' as const, shape: [...shape], bytes: new Uint8Array(values.buffer) };
  });
  const floats = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const xs = seededFloats(seed + 9, EXAMPLES * FEATURES);
  const own = new Map(tensors.map(({ name, bytes }) => [name, new Float32Array(bytes.buffer)]));
  const random = createRandom(seed + 10);
  const outputs = run(own, xs);
  const labels = outputs.map((row) => (random() % 8 === 0 ? random() % CLASSES : topOf(row)));
  const rights = outputs.map((row, i) => topOf(row) === labels[i]);
  return {
    tensors: [...tensors, { name: 'steps', dtype: 'int32', shape: [1] }],
    floats,
    async measure(rounded) {
      const found = run(new Map([...own, ...rounded]), xs);
      if (found.flat().some((value) => !Number.isFinite(value))) return undefined;
      const isRight = found.map((row, i) => topOf(row) === labels[i]);
      const lost = rights.filter((right, i) => right && !isRight[i]).length;
      const gained = rights.filter((right, i) => !right && isRight[i]).length;
      return {
        loss: found.reduce((sum, row, i) => sum + lossOf(row, labels[i] as number), 0) / EXAMPLES,
        accuracy: shareOf(isRight.filter(Boolean).length, EXAMPLES),
        gap: pairedGap({ lost, gained, total: EXAMPLES }),
        probabilityGap: rightProbability(outputs, labels) - rightProbability(found, labels),
      };
    },
  };
}

function run(weights: Values, xs: Float32Array): number[][] {
  const [first, bias, second] = Object.keys(SHAPES).map((name) => weights.get(name) as Float32Array);
  return Array.from({ length: EXAMPLES }, (_, example) => {
    const hidden = Array.from({ length: HIDDEN }, (_unused, to) => {
      let sum = bias![to] as number;
      for (let from = 0; from < FEATURES; from++)
        sum += (xs[example * FEATURES + from] as number) * (first![from * HIDDEN + to] as number);
      return Math.max(0, sum);
    });
    return Array.from({ length: CLASSES }, (_unused, to) =>
      hidden.reduce((sum, value, from) => sum + value * (second![from * CLASSES + to] as number), 0),
    );
  });
}

const rightProbability = (rows: readonly number[][], labels: readonly (number | undefined)[]): number =>
  rows.reduce((sum, row, i) => sum + Math.exp(-lossOf(row, labels[i] as number)), 0) / EXAMPLES;

const topOf = (row: readonly number[]): number => row.indexOf(Math.max(...row));

function lossOf(row: readonly number[], label: number): number {
  const most = Math.max(...row);
  const total = row.reduce((sum, value) => sum + Math.exp(value - most), 0);
  return Math.log(total) + most - (row[label] as number);
}

const totalOf = ({ totals }: PrecisionChoice, way: string) => totals.find((total) => total.way === way)!;

test('choosePrecision() keeps the contract, and a looser one never takes more bytes', async () => {
  const gap = fc.double({ min: 0, max: 0.2, noNaN: true });
  await fc.assert(
    fc.asyncProperty(fc.nat(1000), gap, gap, async (seed, one, other) => {
      const gaps = [one, other].sort((a, b) => a - b);
      const [tight, loose] = await Promise.all(
        gaps.map((maxGap) => choosePrecision(probeOf(seed), { maxGap })),
      );
      for (const [i, choice] of [tight!, loose!].entries())
        for (const way of ['mixed', 'mixed-int4']) {
          const { measured, grids, isMet, bytes } = totalOf(choice, way);
          const rounded = await measureAgain(seed, grids);
          expect([rounded, isMet]).toEqual([measured, true]);
          const behind = Math.max(measured!.gap.value, measured!.probabilityGap);
          expect(behind).toBeLessThanOrEqual(gaps[i] as number);
          for (const total of choice.totals.filter((each) => each.isMet && each.way !== 'mixed-int4'))
            expect(bytes).toBeLessThanOrEqual(total.bytes);
        }
      for (const way of ['mixed', 'mixed-int4'])
        expect(totalOf(loose!, way).bytes).toBeLessThanOrEqual(totalOf(tight!, way).bytes);
      expect(totalOf(tight!, 'mixed').isStorable).toBe(true);
    }),
    { numRuns: 40 },
  );
});

/** Measures grids by the totals of a choice with exactly that many bytes, from a new probe. */
async function measureAgain(seed: number, grids: ReadonlyMap<string, string>) {
  const { roundToGrid } = await import('../../../../src/train/store-on-grid.js');
  const probe = probeOf(seed);
  const rounded = [...grids].map(
    ([name, grid]) => [name, roundToGrid(probe.floats.get(name)!, grid as 'float16')] as const,
  );
  return probe.measure(new Map(rounded));
}

test('choosePrecision() makes the same choice each time, and counts its runs', async () => {
  const doings: { phase: string; done: number; total: number }[] = [];
  const choose = () =>
    choosePrecision(probeOf(5), { maxGap: 0.01, onProgress: (progress) => doings.push(progress) });
  const [one, two] = [await choose(), await choose()];
  expect(one).toEqual(two);
  expect(one.totals.map(({ way }) => way)).toEqual([
    ...['as-is', 'float16', 'bfloat16', 'int8', 'mixed', 'mixed-int4'],
  ]);
  expect(doings.filter(({ phase }) => phase !== 'done')).toHaveLength(2 * one.runs);
  expect(doings.every(({ done, total }) => done <= total)).toBe(true);
  expect(doings.map(({ phase }) => phase)).toContain('rounding second to int8-tensor');
  const whole = 4 * (FEATURES * HIDDEN + HIDDEN + HIDDEN * CLASSES + 1);
  expect([totalOf(one, 'as-is').bytes, totalOf(one, 'float16').bytes]).toEqual([whole, (whole - 4) / 2 + 4]);
  expect(one.tensors.map(({ tensor, options }) => [tensor, options.length])).toEqual([
    ['first', 5],
    ['bias', 2],
    ['second', 5],
    ['steps', 0],
  ]);
});

test('choosePrecision() leaves out grids on which outputs are unusable', async () => {
  // The largest float16 is 65,504.
  const choice = await choosePrecision(
    probeOf(3, (values) => values.fill(7e4, 0, 1)),
    { maxGap: 1 },
  );
  const second = choice.tensors.find(({ tensor }) => tensor === 'second');
  expect(second?.options.map(({ grid, lossChange }) => [grid, lossChange === undefined])).toEqual([
    ['float16', true],
    ['bfloat16', false],
    ['int8-channels', false],
    ['int8-tensor', false],
    ['int4-channels', false],
  ]);
  const { measured, isMet } = totalOf(choice, 'float16');
  expect([measured, isMet]).toEqual([undefined, false]);
  expect(totalOf(choice, 'mixed').isMet).toBe(true);
});

test('choosePrecision() refuses contracts and models that it cannot keep', async () => {
  for (const maxGap of [-0.01, 1.01, Number.NaN])
    await expect(choosePrecision(probeOf(1), { maxGap })).rejects.toThrow(RangeError);
  const none = { ...probeOf(1), floats: new Map() };
  expect(await codeOf(() => choosePrecision(none, { maxGap: 0 }))).toBe('unsupported-model');
  const broken = probeOf(1, (values) => values.fill(Number.NaN));
  expect(await codeOf(() => choosePrecision(broken, { maxGap: 0 }))).toBe('bad-data');
});

test('choosePrecision() ends with the reason of its signal', async () => {
  const { signal, abort } = abortable();
  const onProgress = ({ done }: { done: number }): void => {
    if (done === 3) abort();
  };
  await expect(choosePrecision(probeOf(1), { maxGap: 0, signal, onProgress })).rejects.toThrow('enough');
});

function abortable() {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort(new Error('enough')) };
}
