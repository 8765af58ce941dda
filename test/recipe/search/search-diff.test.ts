import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
import type { SmallestGoal } from '../../../src/recipe/search/plan.js';
import type * as Prepare from '../../../src/recipe/search/prepare.js';
import type * as SearchDiff from '../../../src/recipe/search/search-diff.js';
import type * as TrainMany from '../../../src/recipe/sweep/train-many.js';
import { recipe, scratch, writeModel } from '../../cli/command.js';
import { EXHAUSTIVE } from '../../exhaustive.js';

// Threads run what is built.
const BUILT = join(import.meta.dirname, '..', '..', '..', 'dist', 'src', 'recipe');
const built = (path: string) => import(pathToFileURL(join(BUILT, path)).href);
const { searchDiff, searchInStore, createMemoryTries } = (await built(
  'search/search-diff.js',
)) as typeof SearchDiff;
const { prepareSearch } = (await built('search/prepare.js')) as typeof Prepare;
const { trainMany } = (await built('sweep/train-many.js')) as typeof TrainMany;

const base = join(scratch(), 'base');
const job = { base, recipe: recipe('spirals'), seed: 0 };
const smallest: Prepare.Search = {
  job,
  metric: 'loss',
  goal: { maxGap: 0.2, least: 250, most: 1200, precision: 1.2 },
};
const memory = createMemoryTries();

/** Searches, and counts the steps of full fine-tunes and of diffs. */
async function search(
  what: Prepare.Search,
  {
    store = createMemoryTries(),
    ...options
  }: SearchDiff.SearchOptions & { store?: SearchDiff.TryStore } = {},
) {
  const steps = { 'fine-tune': 0, diff: 0 };
  const rounds: string[] = [];
  const result = await searchInStore(what, store, {
    ...options,
    onStep: ({ phase }) => void steps[phase]++,
    onRound: (round) =>
      void rounds.push(round.map(({ kind, budgetBytes }) => `${kind} ${budgetBytes}`).join(', ')),
  });
  return { result, steps, rounds };
}

let first: Awaited<ReturnType<typeof search>>;

beforeAll(async () => {
  await writeModel(base);
  first = await search(smallest, { workers: 2, store: memory });
});

const [EPOCHS, FULL_EPOCHS, BATCHES] = [12, 10, 12];

test('searchDiff() finds the smallest diff within a gap, with one full fine-tune', () => {
  const { result, steps, rounds } = first;
  expect(rounds[0]).toBe('hash 250, sparse 250');
  expect(rounds.length).toBeGreaterThan(2);
  expect(steps).toEqual({ 'fine-tune': FULL_EPOCHS * BATCHES, diff: result.tries.length * EPOCHS * BATCHES });
  const good = result.tries.filter(({ gap }) => gap <= 0.2);
  const { winner, payload } = result;
  expect(payload.length).toBe(winner.diff.payloadBytes);
  expect(payload.length).toBe(Math.min(...good.map(({ payloadBytes }) => payloadBytes as number)));
  expect(winner.gap).toBeCloseTo(
    (winner.diff.metrics.diff.loss as number) - (winner.diff.metrics.full.loss as number),
  );
});

test('searchDiff() returns the same payload as training its kind with its budget', async () => {
  const { kind, budgetBytes } = first.result.winner;
  const [outcome] = await trainMany([{ ...job, kind, budget: budgetBytes }]);
  expect(outcome?.status === 'trained' && outcome.diff.payload).toEqual(first.result.payload);
});

test.runIf(EXHAUSTIVE)('searchDiff() makes the same tries with one worker', async () => {
  const alone = await search(smallest, { workers: 1 });
  expect(alone.rounds).toEqual(first.rounds);
  expect(alone.result).toEqual(first.result);
});

test('searchDiff() reuses stored tries', async () => {
  const again = await search(smallest, { store: memory });
  expect(again.steps).toEqual({ 'fine-tune': 0, diff: 0 });
  expect(again.result.payload).toEqual(first.result.payload);
  expect(again.result.tries.every(({ isKept }) => isKept)).toBe(true);
});

test('searchDiff() finds the best kind within a budget', async () => {
  const { result } = await search({ job, metric: 'loss', goal: { budget: 500 } }, { store: memory });
  const [hash, sparse] = result.tries;
  expect(result.tries.map(({ kind }) => kind)).toEqual(['hash', 'sparse']);
  const isHash = (hash?.gap as number) < (sparse?.gap as number);
  expect(result.winner.kind).toBe(isHash ? 'hash' : 'sparse');
});

test('searchDiff() reports the nearest try if none is sufficient, and counts impossible budgets as misses', async () => {
  const goal = { maxGap: 0, least: 70, most: 250, tries: 3 } as const;
  const ended: SearchDiff.Try[] = [];
  const run = searchInStore({ job, kinds: ['sparse'], metric: 'loss', goal }, memory, {
    onTry: (one) => void ended.push(one),
  });
  await expect(run).rejects.toMatchObject({
    code: 'gap-unreachable',
    facts: { metric: 'loss', maxGap: 0, kind: 'sparse', bytes: expect.any(Number), gap: expect.any(Number) },
  });
  expect(ended[0]?.error).toMatchObject({ code: 'budget-impossible' });
  expect(ended.at(-1)?.diff?.payloadBytes).toBeLessThanOrEqual(250);
});

test('searchDiff() stops at errors that no other try could avoid', async () => {
  const goal = { budget: 500 };
  const refuse = (more: object, what: object) =>
    expect(searchDiff({ job: { ...job, ...more }, goal, ...what })).rejects;
  await refuse({ recipe: recipe('throws') }, {}).toMatchObject({ code: 'recipe-failed' });
  await refuse({}, { metric: 'wer:lower' }).toMatchObject({ code: 'recipe-invalid' });
  await refuse({ recipe: recipe('moody'), seed: 3 }, {}).toMatchObject({ code: 'training-diverged' });
  await refuse({}, { goal: { budget: 70 } }).toMatchObject({ code: 'budget-impossible' });
  const stop = AbortSignal.abort(new Error('enough'));
  await expect(searchDiff({ job, goal }, { signal: stop })).rejects.toThrow('enough');
});

test.each([
  ['a gap of -1', { goal: { maxGap: -1 } }],
  ['a gap of NaN', { goal: { maxGap: Number.NaN } }],
  ['a precision of 1', { goal: { maxGap: 0, precision: 1 } }],
  ['a number of tries of 0', { goal: { maxGap: 0, tries: 0 } }],
  ['1.5 tries', { goal: { maxGap: 0, tries: 1.5 } }],
  ['from 500 to 400 bytes', { goal: { maxGap: 0, least: 500, most: 400 } }],
  ['at least one kind', { goal: { maxGap: 0 }, kinds: [] }],
  ['metric "wer"', { goal: { maxGap: 0 }, metric: 'wer' }],
  ['budget "plenty"', { goal: { budget: 'plenty' } }],
])('prepareSearch refuses %s', async (message, what) => {
  await expect(prepareSearch({ job, ...what })).rejects.toThrow(message);
});

test('prepareSearch() raises the smallest budget to the size of the smallest payload', async () => {
  const { goal } = await prepareSearch({ job, goal: { maxGap: 0 } });
  expect(goal).toMatchObject({ mostBytes: 948, precision: 1.15, tries: 12 });
  const { leastBytes, startBytes } = goal as SmallestGoal;
  expect(leastBytes).toBeGreaterThan(20);
  expect(startBytes).toBe(leastBytes);
});
