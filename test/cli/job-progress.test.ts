import { expect, test } from 'vitest';
import { SweepProgress } from '../../cli/job-progress.js';
import type { StepReport } from '../../src/train/training-options.js';
import { clockedIo } from './clocked-io.js';

const PLAN = { jobs: ['hash-1pct-seed1', 'sparse-1pct-seed1'], fineTunes: 1 };

const report = (phase: StepReport['phase'], step: number, steps: number): StepReport => {
  return { phase, done: step, total: steps, epoch: 0, epochs: 1, loss: 1, state: {} };
};

/** Plays a sweep with two workers, 20 s a step, and returns what was shown. */
function play(progress: SweepProgress, clock: { now: number }): void {
  const tick = (phase: StepReport['phase'], [step, steps]: [number, number], served: number[]): void => {
    clock.now += 20_000;
    progress.step(report(phase, step, steps), served);
  };
  tick('fine-tune', [1, 2], [0, 1]);
  tick('fine-tune', [2, 2], [0, 1]);
  tick('diff', [1, 3], [0]);
  tick('diff', [1, 3], [1]);
  progress.end(0, 'failed: no');
  tick('diff', [2, 3], [1]);
  tick('diff', [3, 3], [1]);
  progress.end(1, '12 B');
  progress.finish();
}

test('SweepProgress says what runs, what ended and what is left, a line each in a log', () => {
  const { clock, io } = clockedIo(false);
  play(new SweepProgress(io, { json: false, quiet: false }, PLAN), clock);
  expect(clock.text.split('\n')).toEqual([
    '0/2 ended  hash-1pct-seed1 and 1 more fine-tune 1/2',
    '0/2 ended',
    '0/2 ended  hash-1pct-seed1 diff 1/3  1 min 40 s left',
    '0/2 ended  hash-1pct-seed1 diff 1/3  sparse-1pct-seed1 diff 1/3  1 min 20 s left',
    '1/2 ended  hash-1pct-seed1: failed: no',
    '1/2 ended  sparse-1pct-seed1 diff 2/3  20 s left',
    '1/2 ended',
    '2/2 ended  sparse-1pct-seed1: 12 B',
    '',
  ]);
});

test('SweepProgress redraws one line on a terminal and leaves it empty', () => {
  const { clock, io } = clockedIo(true);
  play(new SweepProgress(io, { json: false, quiet: false }, PLAN), clock);
  expect(clock.text.split('\n').length).toBe(3);
  expect(clock.text).toContain('\r\u001b[2K1/2 ended  hash-1pct-seed1: failed: no\n');
  expect(clock.text.endsWith('sparse-1pct-seed1: 12 B\n')).toBe(true);
});

test('SweepProgress draws no faster than people read, and nothing when quiet', () => {
  const { clock, io } = clockedIo(false);
  const progress = new SweepProgress(io, { json: false, quiet: false }, PLAN);
  for (let step = 1; step <= 1000; step++) {
    clock.now += 15;
    progress.step(report('diff', step, 1000), [0]);
  }
  expect(clock.text.trimEnd().split('\n').length).toBe(2);
  const silent = clockedIo(true);
  play(new SweepProgress(silent.io, { json: false, quiet: true }, PLAN), silent.clock);
  expect(silent.clock.text).toBe('');
});

test('SweepProgress fits 80 columns with two workers, and counts the jobs that have no place', () => {
  const { clock, io } = clockedIo(true);
  const jobs = ['hash-0.125pct-seed1234567', 'sparse-0.125pct-seed1234567'];
  const progress = new SweepProgress(io, { json: false, quiet: false }, { jobs, fineTunes: 1 });
  play(progress, clock);
  const lines = clock.text.split('\r\u001b[2K').filter((line) => !line.endsWith('\n'));
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(80);
  expect(lines).toContain('0/2 ended  hash-0.125pct-seed1234567 diff 1/3  +1  1 min 20 s left');
});

test('SweepProgress prints the job of each JSON object', () => {
  const { clock, io } = clockedIo(false);
  play(new SweepProgress(io, { json: false, quiet: true, progress: 'json' }, PLAN), clock);
  const [first, , third, fourth] = clock.text.split('\n').map((line) => line && JSON.parse(line));
  const fineTune = { phase: 'fine-tune', done: 1, total: 2, name: 'hash-1pct-seed1 and 1 more', seconds: 20 };
  expect(first).toEqual(fineTune);
  expect(third).toEqual({ phase: 'diff', done: 1, total: 3, name: 'hash-1pct-seed1', seconds: 60 });
  expect(fourth).toMatchObject({ phase: 'diff', done: 1, name: 'sparse-1pct-seed1' });
});
