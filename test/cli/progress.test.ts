import { expect, test } from 'vitest';
import { byteProgress, measuringProgress, trainingProgress } from '../../cli/progress.js';
import type { StepReport } from '../../src/train/loop.js';
import { clockedIo } from './clocked-io.js';

const FLAGS = { json: false, quiet: false };

const bytes = (done: number) => ({ phase: 'reading', done, total: 4_000_000 });

test('byteProgress() shows nothing of short work, then bytes, rate and time left in a line that it clears', () => {
  const { clock, io } = clockedIo(true);
  const progress = byteProgress(io, FLAGS);
  progress.report(bytes(1_000_000));
  progress.finish();
  expect(clock.text).toBe('');
  clock.now = 1000;
  progress.report(bytes(1_000_000));
  clock.now = 2000;
  progress.report(bytes(2_000_000));
  progress.finish();
  expect(clock.text.split('\r\u001b[2K')).toEqual([
    '',
    'reading   1.0 MB of 4.0 MB',
    'reading   2.0 MB of 4.0 MB  2.0 MB/s  1 s left',
    '',
  ]);
});

test('measuringProgress() writes a line for every step into a log', () => {
  const { clock, io } = clockedIo(false);
  const progress = measuringProgress(io, FLAGS);
  for (const [phase, done] of [
    ['reading "a\u001b"', 0],
    ['reading "a\u001b"', 0],
    ['timing', 1],
    ['timing', 2],
  ] as const)
    progress.report({ phase, done, total: 2 });
  progress.finish();
  expect(clock.text).toBe('1/2  reading "a\\u{1b}"\n2/2  timing\n2/2  timing\n');
});

test('trainingProgress() keeps the last line of each phase on a terminal', () => {
  const { clock, io } = clockedIo(true);
  const progress = trainingProgress(io, FLAGS);
  const report = (phase: StepReport['phase'], done: number, state: StepReport['state']): StepReport => {
    return { phase, done, total: 2, epoch: done - 1, epochs: 2, loss: 0.5, state };
  };
  progress.report(report('fine-tune', 1, {}));
  clock.now = 2000;
  progress.report(report('fine-tune', 2, {}));
  progress.report(report('diff', 1, { density: 0.12345, buckets: 7 }));
  progress.finish();
  expect(clock.text.replaceAll('\r\u001b[2K', '<').split('\n')).toEqual([
    '<fine-tune epoch 1/2  step 1/2  loss 0.5000  0 s left<fine-tune epoch 2/2  step 2/2  loss 0.5000  0 s left',
    '<diff      epoch 1/2  step 1/2  loss 0.5000  density 0.123  buckets 7  0 s left',
    '',
  ]);
});

test('progress is silent with --quiet', () => {
  const { clock, io } = clockedIo(true);
  const progress = byteProgress(io, { ...FLAGS, quiet: true });
  clock.now = 5000;
  progress.report(bytes(1));
  progress.say('done');
  progress.finish();
  expect(clock.text).toBe('');
});
