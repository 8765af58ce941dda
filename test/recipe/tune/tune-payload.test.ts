import { afterEach, expect, test, vi } from 'vitest';
import { FILLED } from '../../../src/recipe/tune/estimator.js';
import { Forecast, type KnownTask } from '../../../src/recipe/tune/forecast.js';
import type { Measured } from '../../../src/recipe/tune/goal.js';
import { payloadSpace } from '../../../src/recipe/tune/payload-space.js';
import {
  type PayloadTrial,
  type TuneContext,
  type TuneResult,
  tunePayload,
} from '../../../src/recipe/tune/tune-payload.js';

afterEach(() => {
  vi.restoreAllMocks();
});

const space = payloadSpace({ isSizeFree: false });

/** Pretends to train: the loss depends on the job's options alone. */
const train: TuneContext['train'] = async (jobs, { onOutcome }) => {
  for (const [place, job] of jobs.entries()) {
    const { epochScale = 1, learningRate = 0.1 } = job.options ?? {};
    const loss = 0.04 / epochScale + Math.abs(Number(learningRate) - 0.07) + (job.kind === 'hash' ? 0 : 0.1);
    const metrics = { base: { loss: 1 }, full: { loss: 0 }, diff: { loss } };
    const payload = new Uint8Array(90);
    const diff = { payload, base: '', next: '', share: 0.01, metrics, validationExamples: 0, epochs: [] };
    await onOutcome?.({ status: 'trained', job, diff }, place);
  }
};

async function tune(trials: number, known: readonly KnownTask[] = []): Promise<TuneResult> {
  const context: TuneContext = {
    train,
    measureApply: async () => ({ milliseconds: 10, memoryBytes: 1000 }),
    find: async () => undefined,
    keep: async () => undefined,
    onStep: () => undefined,
    onTrial: () => undefined,
  };
  const job = { base: '', recipe: '', seed: 3 };
  const limits = { mostBytes: 100 };
  return tunePayload({ job, recipe: {}, space, limits, metric: undefined, trials, known }, context);
}

const expectedOf = ({ trials }: TuneResult): (Measured | undefined)[] =>
  trials.map(({ expected }: PayloadTrial) => expected);

test('a state is fitted once: the forecast that proposes a round is the one that says what to expect', async () => {
  const states: number[] = [];
  const { fit: fitForecast } = Forecast;
  vi.spyOn(Forecast, 'fit').mockImplementation((experience) => {
    states.push(experience.trials.length);
    return fitForecast(experience);
  });
  const result = await tune(10);
  // Two defaults, eight short trials, the best two of them, and so on; no round is fitted twice.
  expect(states).toEqual([0, 2, 10, 12, 20]);
  expect(expectedOf(result).slice(0, 10)).toEqual(new Array(10).fill(undefined));
  for (const expected of expectedOf(result).slice(10)) expect(Object.keys(expected ?? {})).toContain('gap');
});

test('a search that knows much of another task says what it expects from the first trial on', async () => {
  const { trials } = await tune(10);
  const known = Array.from({ length: 6 }, () => trials).flat();
  const [one, same] = [await tune(2, [known]), await tune(2, [known])];
  expect(known.length).toBeGreaterThan(FILLED);
  expect(expectedOf(one)).not.toContain(undefined);
  expect(expectedOf(same)).toEqual(expectedOf(one));
});
