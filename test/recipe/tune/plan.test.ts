import { expect, test } from 'vitest';
import type { KnownTask } from '../../../src/recipe/tune/forecast.js';
import {
  compareTrials,
  type Goal,
  type PlannedTrial,
  pickBest,
  type Trial,
} from '../../../src/recipe/tune/goal.js';
import { firstTrials, nextTrials, SHORT, spent } from '../../../src/recipe/tune/plan.js';
import { type Configuration, keyOf, listAll, type Space } from '../../../src/recipe/tune/space.js';
import { createRandom } from '../../../src/train/random.js';

const space: Space = {
  choices: [
    { name: 'kind', values: ['hash', 'sparse'] },
    { name: 'epochs', values: [1, 2] },
    { name: 'rate', values: [0.1, 0.05, 0.07, 0.15, 0.2] },
    { name: 'temperature', values: [2, 1, 3, 4] },
    { name: 'block', values: [8, 2, 4, 16], when: { name: 'kind', values: ['hash'] } },
    { name: 'bits', values: [3, 2, 4, 5], when: { name: 'kind', values: ['sparse'] } },
  ],
};

const goal: Goal = { minimise: 'gap', limits: { bytes: 100 } };

/** A task that likes long runs of hash diffs at a rate of 0.15 with blocks of 4. */
function measure({ configuration: of, fidelity }: PlannedTrial): Record<string, number> {
  const gap =
    (of.kind === 'hash' ? 0 : 0.02) +
    0.01 / Number(of.epochs) +
    0.2 * Math.abs(Number(of.rate) - 0.15) +
    0.004 * Math.abs(Math.log2(Number(of.block ?? of.bits)) - 2) +
    0.002 * Math.abs(Number(of.temperature) - 3) +
    0.02 * (1 - fidelity);
  // Large temperatures do not fit.
  return { gap, loss: gap, bytes: of.temperature === 4 ? 120 : 90 };
}

async function tune(most: number, known: readonly KnownTask[] = [], seed = 5) {
  const trials: Trial[] = [];
  const rounds: PlannedTrial[][] = [];
  for (;;) {
    const round = await nextTrials({ space, goal, trials, known, most, seed });
    if (round.length === 0) return { trials, rounds };
    rounds.push(round);
    for (const planned of round) trials.push({ ...planned, measured: measure(planned) });
  }
}

const gapOf = (trial: Trial | undefined): number => trial?.measured?.gap ?? Number.POSITIVE_INFINITY;

test('a plan begins with the defaults of each kind, spends what it may, and tries nothing twice', async () => {
  for (const most of [1, 2, 3.5, 7, 24]) {
    const { trials, rounds } = await tune(most);
    expect(rounds[0]).toEqual(firstTrials(space).slice(0, Math.max(1, Math.floor(most))));
    expect(spent(trials)).toBeLessThanOrEqual(most);
    expect(spent(trials)).toBeGreaterThan(most - 1);
    const names = trials.map(({ configuration, fidelity }) => `${keyOf(configuration)} ${fidelity}`);
    expect(new Set(names).size).toBe(names.length);
  }
});

test('whole trials after the defaults are the best of the short ones', async () => {
  const { rounds, trials } = await tune(24);
  const [, short, whole] = rounds;
  expect(new Set(short?.map(({ fidelity }) => fidelity))).toEqual(new Set([SHORT]));
  const measured = trials.filter(({ fidelity }) => fidelity < 1).slice(0, short?.length);
  const best = measured.sort((a, b) => compareTrials(a, b, goal)).slice(0, whole?.length);
  expect(whole?.map(({ configuration }) => configuration)).toEqual(best.map((each) => each.configuration));
});

test('a plan depends on the trials so far alone: it goes on in the middle as it would have', async () => {
  const known = [(await tune(8, [], 1)).trials];
  for (const others of [[], known]) {
    const { trials, rounds } = await tune(16, others);
    for (const [i, round] of rounds.entries()) {
      const before = trials.slice(0, rounds.slice(0, i).flat().length);
      expect(await nextTrials({ space, goal, trials: before, known: others, most: 16, seed: 5 })).toEqual(
        round,
      );
    }
  }
});

test('forecasts find more than random search with as many whole trials, on average over seeds', async () => {
  const all = (listAll(space, 10_000) ?? []).map((configuration): Trial => {
    return { configuration, fidelity: 1, measured: measure({ configuration, fidelity: 1 }) };
  });
  const means = { tuned: 0, random: 0 };
  for (let seed = 1; seed <= 8; seed++) {
    means.tuned += gapOf(pickBest((await tune(14, [], seed)).trials, goal)) / 8;
    const random = createRandom(seed);
    const drawn = Array.from({ length: 14 }, () => all[Math.floor(random() * all.length)] as Trial);
    means.random += gapOf(pickBest(drawn, goal)) / 8;
  }
  expect(means.tuned).toBeLessThan(means.random);
});

test('a search that knows another task finds as much with fewer trials', async () => {
  const { trials } = await tune(24, [], 1);
  // The other task is harder throughout: what helps is the same.
  const known = trials.map((trial): Trial => {
    return { ...trial, measured: { ...trial.measured, gap: 0.1 + 3 * gapOf(trial) } };
  });
  let [knowing, ignorant] = [0, 0];
  for (let seed = 2; seed <= 6; seed++) {
    knowing += gapOf(pickBest((await tune(6, [known], seed)).trials, goal));
    ignorant += gapOf(pickBest((await tune(6, [], seed)).trials, goal));
  }
  expect(knowing).toBeLessThan(ignorant);
});

test('after the defaults a search tries in full what other tasks found best, and of them what it can use', async () => {
  const { trials } = await tune(24, [], 1);
  const { rounds } = await tune(8, [trials]);
  const whole = trials.filter(({ fidelity }) => fidelity === 1).slice(firstTrials(space).length);
  const [defaults, recalled, short] = rounds;
  expect(defaults).toEqual(firstTrials(space));
  expect(recalled?.map(({ fidelity }) => fidelity)).toEqual([1, 1, 1]);
  const names = recalled?.map(({ configuration }) => keyOf(configuration)) ?? [];
  expect(whole.map(({ configuration }) => keyOf(configuration))).toEqual(expect.arrayContaining(names));
  expect(names).toContain(keyOf((pickBest(whole, goal) as Trial).configuration));
  expect(short?.[0]?.fidelity).toBe(SHORT);
  // Short, failed and foreign ones, and those that were tried, are no use.
  const [best] = whole as [Trial];
  const useless: Trial[] = [
    ...trials.slice(0, 2),
    { ...best, fidelity: SHORT },
    { ...best, measured: undefined },
    { ...best, configuration: { ...best.configuration, rate: 0.3 } },
  ];
  const other = await tune(8, [useless]);
  expect(other.rounds[1]?.[0]?.fidelity).toBe(SHORT);
});

test('trials beyond a limit lose to all within; failed ones to all', () => {
  const of: Configuration = { kind: 'hash' };
  const trial = (measured: Record<string, number> | undefined): Trial => ({
    configuration: of,
    fidelity: 1,
    measured,
  });
  const within = trial({ gap: 0.9, bytes: 100 });
  const beyond = trial({ gap: 0.1, bytes: 101 });
  const further = trial({ gap: 0.05, bytes: 150 });
  const failed = trial(undefined);
  const order = [failed, further, beyond, within].sort((a, b) => compareTrials(a, b, goal));
  expect(order).toEqual([within, beyond, further, failed]);
  expect(pickBest([failed, further, beyond], goal)).toBeUndefined();
  expect(pickBest([beyond, within], goal)).toBe(within);
});

test('of values that differ by less than their error, the smallest loss wins', () => {
  const trial = (gap: number, loss: number, bytes = 90, fidelity = 1): Trial => {
    return { configuration: { kind: 'hash', gap }, fidelity, measured: { gap, loss, bytes } };
  };
  const smallest = trial(0.01, 0.5);
  const surer = trial(0.025, 0.3);
  const further = trial(0.04, 0.1);
  const large = trial(0.011, 0.1, 101);
  const short = trial(0.011, 0.1, 90, SHORT);
  const trials = [further, surer, large, short, smallest];
  expect(pickBest(trials, goal)).toBe(smallest);
  expect(pickBest(trials, goal, 0.01)).toBe(smallest);
  expect(pickBest(trials, goal, 0.02)).toBe(surer);
  expect(pickBest(trials, goal, 1)).toBe(further);
});
