// Seconds and memory that a large model takes: npm run -s bench -- scale [--quick].

import { mkdtempSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Goal, printBench } from './common/report.js';
import { trainLight } from './exact/pairs.js';
import { FILES_TIMES, removeFiles, runSteps, type ScaleRow } from './scale/steps.js';
import { TENSOR_BYTES, weightsOf, writeModels } from './scale/write-models.js';

/** Tensors of the models: 4 GB, and 268 MB for a short run. */
const TENSORS = 60;
const QUICK_TENSORS = 4;

/**
 * Tensors that training changes, at most: those of all 60 would take a payload of 2 GB, and payloads end at 1
 * GiB.
 */
const MOST_CHANGED = 24;

/**
 * Memory next to that of a command which does nothing, and speed; a diff's in one thread, as each other takes
 * its own.
 */
const APPLY_MEMORY_GOAL = 16e6;
const DIFF_MEMORY_GOAL = 64e6;
const APPLY_SPEED_GOAL = 50e6;

const { values: flags } = parseArgs({ options: { quick: { type: 'boolean' }, json: { type: 'boolean' } } });
const tensors = flags.quick ? QUICK_TENSORS : TENSORS;
const modelBytes = tensors * TENSOR_BYTES;
checkDisk(tmpdir());
const folder = mkdtempSync(join(tmpdir(), 'neural-diff-scale-'));
const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, interrupt);
const start = performance.now();
try {
  const rows = await measure();
  printBench({ bench: 'scale', seconds: (performance.now() - start) / 1000, rows, goals: goalsOf(rows) });
} finally {
  removeFiles(folder);
}

async function measure(): Promise<ScaleRow[]> {
  const { base, next } = await trainLight();
  const files = { folder, base: join(folder, 'base.safetensors'), next: join(folder, 'next.safetensors') };
  await writeModels(weightsOf(base, next), files, { tensors, changed: Math.min(MOST_CHANGED, tensors) });
  return runSteps({ ...files, modelBytes }, stop.signal);
}

/** Programs that run are ended first, so that nothing is written behind what is removed. */
function interrupt(): void {
  stop.abort(new Error('Interrupted'));
  removeFiles(folder);
  process.exit(130);
}

function checkDisk(path: string): void {
  const { bavail, bsize } = statfsSync(path);
  const needed = FILES_TIMES * modelBytes;
  const missing = needed - bavail * bsize;
  if (missing <= 0) return;
  const inGigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
  process.stderr.write(
    `The bench scale needs ${inGigabytes(needed)} in ${path}: ${inGigabytes(missing)} are missing (TMPDIR names another folder, --quick takes less)\n`,
  );
  process.exit(1);
}

function goalsOf(rows: readonly ScaleRow[]): Goal[] {
  const row = (step: string): ScaleRow => rows.find((each) => each.step === step) as ScaleRow;
  const apply = row('apply --in-place');
  const memory = { value: apply.extraBytes, goal: APPLY_MEMORY_GOAL, better: 'lower' } as const;
  return [
    { id: 'scale.apply.extra-memory-bytes', ...memory },
    {
      id: 'scale.diff.extra-memory-bytes',
      value: row('diff --workers 1').extraBytes,
      goal: DIFF_MEMORY_GOAL,
      better: 'lower',
    },
    {
      id: 'scale.apply.bytes-per-second',
      value: apply.bytesPerSecond,
      goal: APPLY_SPEED_GOAL,
      better: 'higher',
    },
  ];
}
