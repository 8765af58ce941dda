import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type EndedTry,
  meetsGap,
  nextTries,
  type PlannedTry,
  pickWinner,
  type SmallestGoal,
} from '../../../src/recipe/search/plan.js';

const GOAL: SmallestGoal = {
  type: 'smallest',
  maxGap: 0.01,
  leastBytes: 1000,
  startBytes: 10_000,
  mostBytes: 200_000,
  precision: 1.15,
  tries: 12,
};

/** Plays a search to its end. */
function play<K extends string>(
  { kinds, goal }: { kinds: readonly K[]; goal: SmallestGoal },
  gapOf: (planned: PlannedTry<K>, count: number) => number,
): EndedTry<K>[] {
  const ended: EndedTry<K>[] = [];
  for (;;) {
    const round = nextTries({ kinds, goal, ended });
    if (round.length === 0) return ended;
    const outcomes = round.map((planned, i) => {
      return { ...planned, payloadBytes: planned.budgetBytes, gap: gapOf(planned, ended.length + i) };
    });
    ended.push(...outcomes);
    if (ended.length > 1000) throw new Error('The search does not end');
  }
}

/** A gap that is small enough from a number of bytes on. */
const from = (threshold: number) => (planned: PlannedTry) => {
  const gap = (0.01 * threshold) / planned.budgetBytes;
  return planned.budgetBytes < threshold ? gap + 0.001 : gap;
};

const budgets = (ended: readonly PlannedTry[]): number[] => ended.map(({ budgetBytes }) => budgetBytes);

/** Limits with a start between them. */
const goals = fc
  .tuple(
    fc.integer({ min: 100, max: 100_000 }),
    fc.double({ min: 1, max: 200, noNaN: true }),
    fc.double({ min: 0, max: 1, noNaN: true }),
  )
  .map(([leastBytes, range, where]): SmallestGoal => {
    const mostBytes = Math.floor(leastBytes * range);
    const startBytes = Math.round(leastBytes + (mostBytes - leastBytes) * where ** 3);
    return { ...GOAL, leastBytes, startBytes, mostBytes };
  });

test('nextTries() strides down, then bisects', () => {
  expect(budgets(play({ kinds: ['hash'], goal: GOAL }, from(3000)))).toEqual([
    ...[10_000, 5000, 1250, 2500, 3536, 2973, 3242],
  ]);
});

test('nextTries() strides up to the largest budget, and ends there', () => {
  expect(budgets(play({ kinds: ['hash'], goal: GOAL }, () => 1))).toEqual([10_000, 20_000, 80_000, 200_000]);
});

test('nextTries() tries every kind before it drops one, and the largest budget before it gives up', () => {
  const kinds = ['hash', 'sparse'];
  const onlySparse = (planned: PlannedTry) => (planned.kind === 'sparse' ? from(9000)(planned) : 0.5);
  for (const tries of [2, 3, 4, 6]) {
    const ended = play({ kinds, goal: { ...GOAL, tries } }, onlySparse);
    expect(ended.slice(0, 2).map(({ kind }) => kind)).toEqual(kinds);
    expect(ended.some((one) => meetsGap(one, GOAL.maxGap))).toBe(true);
  }
  const late = (planned: PlannedTry) => (planned.kind === 'sparse' ? from(150_000)(planned) : 0.012);
  for (const tries of [5, 6, 7]) {
    const ended = play({ kinds, goal: { ...GOAL, tries } }, late);
    expect(pickWinner({ ...GOAL, tries }, ended)?.kind).toBe('sparse');
  }
  const missed = play({ kinds: ['hash'], goal: { ...GOAL, tries: 2 } }, () => 1);
  expect(budgets(missed)).toEqual([10_000, 200_000]);
});

test('nextTries() drops a kind that does not use up larger budgets', () => {
  const full = { kind: 'hash', payloadBytes: 9000, gap: 0.5 };
  const ended = [
    { ...full, budgetBytes: 10_000 },
    { kind: 'sparse', budgetBytes: 10_000, payloadBytes: 10_000, gap: 0.6 },
    { ...full, budgetBytes: 20_000 },
    { kind: 'sparse', budgetBytes: 20_000, payloadBytes: 20_000, gap: 0.6 },
  ];
  const kinds = ['hash', 'sparse'];
  expect(nextTries({ kinds, goal: GOAL, ended })).toEqual([{ kind: 'sparse', budgetBytes: 80_000 }]);
  const alone = ended.filter(({ kind }) => kind === 'hash');
  expect(nextTries({ kinds: ['hash'], goal: GOAL, ended: alone })).toEqual([]);
});

test('nextTries() drops a kind that misses where another succeeds', () => {
  const ended = play({ kinds: ['hash', 'sparse'], goal: GOAL }, (planned) =>
    from(planned.kind === 'hash' ? 6000 : 15_000)(planned),
  );
  expect(ended.map(({ kind, budgetBytes }) => `${kind} ${budgetBytes}`)).toEqual([
    ...['hash 10000', 'sparse 10000', 'hash 5000', 'hash 7071', 'hash 5946', 'hash 6484'],
  ]);
});

test('nextTries() continues above the size reported by an impossible budget', () => {
  const ended: EndedTry[] = [
    { kind: 'hash', budgetBytes: 10_000, payloadBytes: 9990, gap: 0 },
    { kind: 'hash', budgetBytes: 5000, gap: Number.POSITIVE_INFINITY, leastBytes: 9901 },
  ];
  expect(nextTries({ kinds: ['hash'], goal: GOAL, ended })).toEqual([]);
});

test('nextTries() tries every kind once within a budget', () => {
  const goal = { type: 'best', budgetBytes: 500 } as const;
  const round = nextTries({ kinds: ['hash', 'sparse'], goal, ended: [] });
  expect(round).toEqual([
    { kind: 'hash', budgetBytes: 500 },
    { kind: 'sparse', budgetBytes: 500 },
  ]);
  const ended = round.map((planned) => ({ ...planned, gap: 0, payloadBytes: 500 }));
  expect(nextTries({ kinds: ['hash', 'sparse'], goal, ended })).toEqual([]);
});

test('a search finds the smallest sufficient budget within its precision and number of tries', () => {
  const cases = fc.record({ goal: goals, where: fc.double({ min: 0, max: 1, noNaN: true }) });
  fc.assert(
    fc.property(cases, ({ goal, where }) => {
      const threshold = Math.ceil(goal.leastBytes * (goal.mostBytes / goal.leastBytes) ** where);
      fc.pre(threshold <= goal.mostBytes);
      const ended = play({ kinds: ['hash'], goal }, from(threshold));
      expect(ended.length).toBeLessThanOrEqual(goal.tries);
      const winner = pickWinner(goal, ended) as EndedTry;
      expect(winner.budgetBytes).toBeGreaterThanOrEqual(threshold);
      expect(winner.budgetBytes).toBeLessThanOrEqual(Math.max(threshold + 1, threshold * goal.precision));
    }),
    { numRuns: 500 },
  );
});

test('a search of one kind takes at most 7 tries with default limits, 5 near its start', () => {
  const goal = { ...GOAL, leastBytes: 500, startBytes: 5000, mostBytes: 100_000 };
  const tries = (threshold: number) => play({ kinds: ['hash'], goal }, from(threshold)).length;
  const thresholds = Array.from({ length: 500 }, (_, i) => 500 * 200 ** (i / 500));
  expect(Math.max(...thresholds.map(tries))).toBe(7);
  const near = thresholds.filter((bytes) => bytes > 2500 && bytes < 10_000);
  expect(Math.max(...near.map(tries))).toBe(5);
});

test('a search of two kinds finds the better one, given tries', () => {
  const thresholds = fc.tuple(
    fc.integer({ min: 1000, max: 200_000 }),
    fc.integer({ min: 1000, max: 200_000 }),
  );
  fc.assert(
    fc.property(thresholds, ([hash, sparse]) => {
      const goal = { ...GOAL, tries: 20 };
      const ended = play({ kinds: ['hash', 'sparse'], goal }, (planned) =>
        from(planned.kind === 'hash' ? hash : sparse)(planned),
      );
      const winner = pickWinner(goal, ended) as EndedTry;
      expect(winner.budgetBytes).toBeLessThanOrEqual(Math.min(hash, sparse) * goal.precision + 1);
      const short = play({ kinds: ['hash', 'sparse'], goal: GOAL }, (planned) =>
        from(planned.kind === 'hash' ? hash : sparse)(planned),
      );
      expect(short.length).toBeLessThanOrEqual(12);
      const worse = Math.max(hash, sparse);
      expect(pickWinner(GOAL, short)?.budgetBytes).toBeLessThanOrEqual(worse * GOAL.precision + 1);
    }),
  );
});

test('a search of noisy gaps ends within its tries and limits, with a sufficient try if there was one', () => {
  const cases = fc.record({
    goal: goals,
    gaps: fc.array(fc.oneof(fc.double({ min: 0, max: 0.02, noNaN: true }), fc.constant(Infinity)), {
      minLength: 12,
      maxLength: 12,
    }),
  });
  fc.assert(
    fc.property(cases, ({ goal, gaps }) => {
      const ended = play({ kinds: ['hash', 'sparse'], goal }, (_, count) => gaps[count] as number);
      expect(ended.length).toBeLessThanOrEqual(goal.tries);
      for (const { budgetBytes } of ended) {
        expect(Number.isInteger(budgetBytes)).toBe(true);
        expect(budgetBytes).toBeGreaterThanOrEqual(goal.leastBytes);
        expect(budgetBytes).toBeLessThanOrEqual(goal.mostBytes);
      }
      const names = ended.map(({ kind, budgetBytes }) => `${kind} ${budgetBytes}`);
      expect(new Set(names).size).toBe(names.length);
      const good = ended.filter((one) => meetsGap(one, goal.maxGap));
      const winner = pickWinner(goal, ended);
      expect(winner?.payloadBytes).toBe(
        good.length === 0 ? undefined : Math.min(...good.map(({ payloadBytes }) => payloadBytes as number)),
      );
    }),
    { numRuns: 500 },
  );
});

test('pickWinner() picks the smaller of two equally good tries, and no failed one', () => {
  const goal = { type: 'best', budgetBytes: 500 } as const;
  const hash = { kind: 'hash', budgetBytes: 500, gap: 0.0100000001, payloadBytes: 400 };
  const sparse = { kind: 'sparse', budgetBytes: 500, gap: 0.01, payloadBytes: 450 };
  expect(pickWinner(goal, [sparse, hash])).toBe(hash);
  expect(pickWinner(goal, [{ ...hash, gap: 0.02 }, sparse])).toBe(sparse);
  expect(pickWinner(goal, [{ ...hash, gap: Number.POSITIVE_INFINITY }])).toBeUndefined();
});
