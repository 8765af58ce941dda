import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GRID_NAMES } from '../../../../src/model/grids.js';
import {
  countWithin,
  gridsAfter,
  type Move,
  rankMoves,
  type TensorOptions,
} from '../../../../src/report/measure/precision/rank-moves.js';

const tensor = (
  name: string,
  bytes: number,
  options: readonly [string, number, number?][],
): TensorOptions => ({
  tensor: name,
  bytes,
  options: options.map(([grid, own, lossChange]) => ({
    grid: grid as 'float16',
    bytes: own,
    ...(lossChange !== undefined && { lossChange }),
  })),
});

const told = (moves: readonly Move[]) =>
  moves.map(({ tensor: name, grid, savedBytes }) => `${name} ${grid} ${savedBytes}`);

test('rankMoves() takes the cheapest bytes first, and coarser grids of a tensor after finer ones', () => {
  const moves = rankMoves([
    tensor('robust', 400, [
      ['float16', 200, 0],
      ['int8-channels', 110, 0.001],
    ]),
    tensor('frail', 400, [
      ['float16', 200, 0.1],
      ['int8-channels', 110, 9],
    ]),
  ]);
  expect(told(moves)).toEqual([
    'robust float16 200',
    'robust int8-channels 90',
    'frail float16 200',
    'frail int8-channels 90',
  ]);
});

test('rankMoves() leaves out grids that a coarser one beats, and those with unusable outputs', () => {
  const beaten = tensor('a', 400, [
    ['float16', 200],
    ['bfloat16', 200, 0.5],
    ['int8-channels', 110, 0.2],
    ['int8-tensor', 104, 0.2],
  ]);
  expect(told(rankMoves([beaten]))).toEqual(['a int8-tensor 296']);
});

test('rankMoves() counts a loss below that of the model as none: the largest saving comes first', () => {
  const lucky = tensor('lucky', 40, [['float16', 20, -1]]);
  const large = tensor('large', 400, [['float16', 200, 0]]);
  expect(told(rankMoves([lucky, large]))).toEqual(['large float16 200', 'lucky float16 20']);
  expect(rankMoves([tensor('whole', 8, [])])).toEqual([]);
});

/** Tensors with random bytes and losses. */
const someTensors = fc.array(
  fc.array(fc.tuple(fc.integer({ min: 1, max: 390 }), fc.float({ min: -1, max: 5, noNaN: true })), {
    maxLength: 5,
  }),
  { minLength: 1, maxLength: 12 },
);

test('rankMoves() never falls in price, and never makes a tensor larger', () => {
  fc.assert(
    fc.property(someTensors, (drawn) => {
      const tensors = drawn.map((options, i) =>
        tensor(
          `t${i}`,
          400,
          options.map(([bytes, loss], k) => [GRID_NAMES[1 + k] as string, bytes, loss]),
        ),
      );
      const moves = rankMoves(tensors);
      const prices = moves.map(({ addedLoss, savedBytes }) => addedLoss / savedBytes);
      for (const [i, price] of prices.entries())
        expect(price).toBeGreaterThanOrEqual((prices[i - 1] ?? 0) * (1 - 1e-9) - 1e-12);
      expect(moves.every(({ savedBytes, addedLoss }) => savedBytes > 0 && addedLoss >= 0)).toBe(true);
      // Saved bytes of the moves are those of the grids that they lead to.
      for (const [name, grid] of gridsAfter(moves)) {
        const { bytes, options } = tensors.find((each) => each.tensor === name) as TensorOptions;
        const saved = moves
          .filter((move) => move.tensor === name)
          .reduce((sum, move) => sum + move.savedBytes, 0);
        expect(bytes - saved).toBe(options.find((option) => option.grid === grid)?.bytes);
      }
    }),
  );
});

test('countWithin() finds the last number that is within, in few tries', async () => {
  for (let moves = 0; moves <= 40; moves++)
    for (let most = 0; most <= moves; most++) {
      const tries: number[] = [];
      const found = await countWithin(moves, async (count) => {
        tries.push(count);
        return count <= most;
      });
      expect([found, tries.length <= Math.ceil(Math.log2(moves + 1))]).toEqual([most, true]);
    }
});

test('countWithin() answers with what was measured to be within, and more for a looser contract', async () => {
  const gaps = fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { maxLength: 30 });
  const limit = fc.double({ min: 0, max: 1, noNaN: true });
  await fc.assert(
    fc.asyncProperty(gaps, limit, limit, async (measured, one, other) => {
      const within = (gap: number) =>
        countWithin(measured.length, async (count) => (measured[count - 1] as number) <= gap);
      const [tight, loose] = [Math.min(one, other), Math.max(one, other)];
      const [few, many] = [await within(tight), await within(loose)];
      expect(few).toBeLessThanOrEqual(many);
      if (few > 0) expect(measured[few - 1]).toBeLessThanOrEqual(tight);
    }),
  );
});
