import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
import type { NeuralDiffError } from '../../../src/model/errors.js';
import type { TrainingJob } from '../../../src/recipe/job.js';
import type * as TrainMany from '../../../src/recipe/sweep/train-many.js';
import type { SweptDiff } from '../../../src/recipe/sweep/worker.js';
import type { StepReport } from '../../../src/train/training-options.js';
import { recipe, scratch, writeModel } from '../../cli/command.js';
import { EXHAUSTIVE } from '../../exhaustive.js';

// Threads run what is built.
const BUILT = join(import.meta.dirname, '..', '..', '..', 'dist', 'src');
const built = (path: string) => import(pathToFileURL(join(BUILT, path)).href);
const { trainMany } = (await built('recipe/sweep/train-many.js')) as typeof TrainMany;

const base = join(scratch(), 'base');
const job = (more: Partial<TrainingJob> = {}): TrainingJob => {
  return { kind: 'hash', base, recipe: recipe('points'), budget: '12%', seed: 3, ...more };
};

/** Two of one seed, which share a full fine-tune, and one of another. */
const jobs = [
  job(),
  job({ kind: 'sparse' }),
  job({ kind: 'sparse', seed: 4, options: { epochs: 4, sparse: { bits: 2 } } }),
];

/** A job's payload in hexadecimal digits, or its error code. */
const summary = (outcome: TrainMany.Outcome): string =>
  outcome.status === 'trained'
    ? Buffer.from(outcome.diff.payload).toString('hex')
    : (outcome.error as NeuralDiffError).code;

function diffOf(outcome: TrainMany.Outcome | undefined): SweptDiff {
  if (outcome?.status !== 'trained') throw new Error('Expected a diff');
  return outcome.diff;
}

function errorOf(outcome: TrainMany.Outcome | undefined): Error {
  if (outcome?.status !== 'failed') throw new Error('Expected an error');
  return outcome.error;
}

let alone: string[];
let first: TrainMany.Outcome | undefined;

beforeAll(async () => {
  await writeModel(base);
  const outcomes: TrainMany.Outcome[] = [];
  for (const one of jobs) outcomes.push(...(await trainMany([one])));
  [first] = outcomes;
  alone = outcomes.map(summary);
});

test.each(EXHAUSTIVE ? [1, 2, 3] : [2])(
  'trainMany() returns the result of each job alone, in order, with %i workers',
  async (workers) => {
    const reported: number[] = [];
    const steps: { phase: StepReport['phase']; places: readonly number[] }[] = [];
    const outcomes = await trainMany(jobs, {
      workers,
      onStep: ({ phase }, places) => void steps.push({ phase, places }),
      onOutcome: (_, place) => void reported.push(place),
    });
    expect(outcomes.map(summary)).toEqual(alone);
    expect(new Set(alone).size).toBe(3);
    expect(reported.sort()).toEqual([0, 1, 2]);
    const shared = steps.filter(({ places }) => places.length > 1);
    expect(shared).toEqual(Array(24).fill({ phase: 'fine-tune', places: [0, 1] }));
    expect(steps.filter(({ phase }) => phase === 'fine-tune').length).toBe(2 * 24);
  },
);

test('trainMany() keeps full fine-tunes for later calls, and ends when storing one fails', async () => {
  const fineTunes: TrainMany.FineTunes = new Map();
  const phases: StepReport['phase'][] = [];
  const onStep = ({ phase }: StepReport): void => void phases.push(phase);
  const outcomes = [
    ...(await trainMany([job()], { fineTunes, onStep })),
    ...(await trainMany([job({ kind: 'sparse' })], { fineTunes, onStep })),
  ];
  expect(outcomes.map(summary)).toEqual(alone.slice(0, 2));
  expect(phases.filter((phase) => phase === 'fine-tune').length).toBe(24);
  const set = (): never => {
    throw new Error('not this one');
  };
  await expect(trainMany([job()], { fineTunes: { get: () => undefined, set } })).rejects.toThrow('not this');
});

test('trainMany() returns metrics, share and fingerprints', () => {
  const diff = diffOf(first);
  const { payload, share, metrics, base: from, next } = diff;
  expect(share).toBeLessThanOrEqual(0.12);
  expect(payload.length).toBe(Math.round(share * 4 * 2371));
  expect(metrics.diff.accuracy).toBeGreaterThan((metrics.base.accuracy as number) + 0.2);
  expect([from, next].every((hex) => /^[0-9a-f]{32}$/.test(hex))).toBe(true);
  expect(Object.keys(diff)).not.toContain('model');
});

test('a job that fails keeps its error, with code, facts and cause, and does not stop the others', async () => {
  const broken = job({ recipe: recipe('throws') });
  const outcomes = await trainMany(
    [
      broken,
      { ...broken, kind: 'sparse' },
      job({ budget: 40, seed: 8 }),
      job({ recipe: recipe('exits') }),
      job({ recipe: recipe('crashes') }),
      job(),
    ],
    { workers: 2 },
  );
  const errors = outcomes.slice(0, 5).map(errorOf) as NeuralDiffError[];
  expect(errors.map(({ code }) => code)).toEqual([
    ...['recipe-failed', 'recipe-failed', 'budget-impossible', 'recipe-failed', undefined],
  ]);
  const [throws, , impossible, exits, crashes] = errors;
  expect(throws?.message).toMatch(/failed at .*throws\.mjs:2:9: the disk is on fire$/);
  expect(throws?.cause).toMatchObject({ message: 'the disk is on fire' });
  expect(impossible?.facts).toEqual({ bytes: 40, least: expect.any(Number) });
  expect(exits?.message).toContain('Cannot call process.exit(3)');
  expect(crashes?.message).toBe('out of nowhere');
  expect(summary(outcomes[5] as TrainMany.Outcome)).toBe(alone[0]);
});

test('an abort ends every thread, keeps finished jobs, and throws the reason', async () => {
  const stop = new AbortController();
  const finished: string[] = [];
  const endless = job({ recipe: recipe('endless') });
  const run = trainMany([job(), endless, { ...endless, seed: 9 }], {
    workers: 2,
    signal: stop.signal,
    async onOutcome(outcome) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      finished.push(summary(outcome));
    },
    onStep: (_, [place]) => place === 2 && stop.abort(new Error('enough')),
  });
  await expect(run).rejects.toThrow('enough');
  expect(finished).toEqual([alone[0]]);
  await expect(trainMany([job()], { signal: stop.signal })).rejects.toThrow('enough');
});

test('an error of onOutcome() ends the sweep', async () => {
  const jobsThen = [job(), job({ recipe: recipe('endless') })];
  const onOutcome = (): never => {
    throw new Error('no room');
  };
  await expect(trainMany(jobsThen, { workers: 2, onOutcome })).rejects.toThrow('no room');
  const onStep = (): never => {
    throw new Error('no screen');
  };
  await expect(trainMany(jobsThen, { workers: 2, onStep })).rejects.toThrow('no screen');
});

test('trainMany() refuses invalid workers and unknown options, and accepts an empty list of jobs', async () => {
  await expect(trainMany([job()], { workers: 0 })).rejects.toThrow(RangeError);
  await expect(trainMany([job()], { workers: 1.5 })).rejects.toThrow('expected a whole number');
  const misspelt = { epoch: 3 } as TrainingJob['options'];
  await expect(trainMany([job({ options: misspelt })])).rejects.toThrow('"epoch" is unknown');
  expect(await trainMany([])).toEqual([]);
});
