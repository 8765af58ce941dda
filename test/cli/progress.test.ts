import { expect, test } from 'vitest';
import { endingLines } from '../../cli/io.js';
import { byteProgress, measuringProgress, trainingProgress } from '../../cli/progress.js';
import type { StepReport } from '../../src/train/training-options.js';
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
    'reading   2.0 MB of 4.0 MB  1.0 MB/s  2 s left',
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
    '<fine-tune epoch 1/2  step 1/2  loss 0.5000<fine-tune epoch 2/2  step 2/2  loss 0.5000',
    '<diff      epoch 1/2  step 1/2  loss 0.5000  density 0.123  buckets 7',
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

test('trainingProgress() tells the time left once a second has passed, and fits 80 columns', () => {
  const { clock, io } = clockedIo(true);
  const progress = trainingProgress(io, FLAGS);
  const state = { density: 0.12345, temperature: 0.051234, buckets: 123_456 };
  const report = { phase: 'diff', epoch: 10, epochs: 24, total: 24_000, loss: 12.5, state } as const;
  progress.report({ ...report, done: 10_000 });
  clock.now = 500;
  progress.report({ ...report, done: 10_500 });
  clock.now = 100_000;
  progress.report({ ...report, done: 11_000 });
  const lines = clock.text.split('\r\u001b[2K').slice(1);
  expect(lines.map((line) => / left$/.test(line))).toEqual([false, false, true]);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(80);
  expect(lines[2]).toBe('diff      epoch 11/24  step 11000/24000  loss 12.5000  21 min 40 s left');
});

test('progress is cut at the width of the terminal', () => {
  const { clock, io } = clockedIo(true);
  const progress = measuringProgress({ ...io, columns: 20 }, FLAGS);
  progress.report({ phase: 'predicting with "a long name"', done: 0, total: 9 });
  expect(clock.text).toBe('\r\u001b[2K1/9  predicting wi…');
});

test('progress as JSON has the begin and the end of each phase of a job, also for quiet commands', () => {
  const { clock, io } = clockedIo(false);
  const progress = byteProgress(io, { json: true, quiet: true, progress: 'json' });
  for (const [phase, done, now] of [
    ['reading', 0, 0],
    ['reading', 1, 500],
    ['reading', 2, 1200],
    ['reading', 9, 1300],
    ['writing', 4, 1400],
  ] as const) {
    clock.now = now;
    progress.report({ phase, done, total: 9 });
  }
  progress.reportOf('hash-1pct', { phase: 'writing', done: 4, total: 9 });
  progress.finish();
  expect(
    clock.text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ).toEqual([
    { phase: 'reading', done: 0, total: 9, seconds: 0 },
    { phase: 'reading', done: 2, total: 9, seconds: 1.2 },
    { phase: 'reading', done: 9, total: 9, seconds: 1.3 },
    { phase: 'writing', done: 4, total: 9, seconds: 1.4 },
    { phase: 'writing', done: 4, total: 9, name: 'hash-1pct', seconds: 1.4 },
  ]);
});

test('endingLines() ends a line of progress before a message is written', () => {
  const { clock, io } = clockedIo(true);
  const ending = endingLines(io);
  const progress = measuringProgress(ending, FLAGS);
  progress.report({ phase: 'timing', done: 0, total: 2 });
  ending.err('failed\n');
  ending.err('again\n');
  progress.finish();
  ending.out('data\n');
  expect(clock.text).toBe('\r\u001b[2K1/2  timing\nfailed\nagain\n\r\u001b[2K');
});
