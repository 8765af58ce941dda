// Seconds and memory that a large model takes: npm run -s bench -- scale [--quick] [--part large|many].

import { mkdtempSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Goal, printBench } from './common/report.js';
import { trainLight } from './exact/pairs.js';
import { largeGoals, manyGoals } from './scale/goals.js';
import { FILES_TIMES, removeFiles, runSteps, type ScaleFiles, type ScaleRow } from './scale/steps.js';
import { bytesOf, type ModelSize, weightsOf, writeModels } from './scale/write-models.js';

/**
 * 4 GB, of which 40 % change, and 268 MB for a short run: 64 MB a tensor. Many small tensors take 20 MB.
 */
const LARGE: ModelSize = { tensors: 60, changed: 24, side: 4_096 };
const QUICK: ModelSize = { tensors: 4, changed: 4, side: 4_096 };
const MANY: ModelSize = { tensors: 20_000, changed: 20_000, side: 16 };

const { values: flags } = parseArgs({
  options: { quick: { type: 'boolean' }, part: { type: 'string' }, json: { type: 'boolean' } },
});
const large = flags.quick ? QUICK : LARGE;
const sizes = Object.entries({ many: MANY, large }).filter(([part]) =>
  [part, undefined].includes(flags.part),
);
if (sizes.length === 0) throw new RangeError(`Cannot measure "${flags.part}": expected large or many`);
const mostBytes = Math.max(...sizes.map(([, size]) => bytesOf(size)));
checkDisk(tmpdir());
const folder = mkdtempSync(join(tmpdir(), 'neural-diff-scale-'));
const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, interrupt);
const start = performance.now();
try {
  const measured = await measure();
  printBench({ bench: 'scale', seconds: (performance.now() - start) / 1000, ...measured });
} finally {
  removeFiles(folder);
}

async function measure(): Promise<{ rows: ScaleRow[]; goals: Goal[] }> {
  const { base, next } = await trainLight();
  const weights = weightsOf(base, next);
  const paths = { folder, base: join(folder, 'base.safetensors'), next: join(folder, 'next.safetensors') };
  const [rows, goals]: [ScaleRow[], Goal[]] = [[], []];
  for (const [name, size] of sizes) {
    const part = name as ScaleFiles['part'];
    await writeModels(weights, paths, size);
    const measured = await runSteps({ ...paths, part, modelBytes: bytesOf(size) }, stop.signal);
    rows.push(...measured);
    goals.push(...(part === 'many' ? manyGoals(measured) : largeGoals(measured, size.changed)));
  }
  return { rows, goals };
}

/** Programs that run are ended first, so that nothing is written behind what is removed. */
function interrupt(): void {
  stop.abort(new Error('Interrupted'));
  removeFiles(folder);
  process.exit(130);
}

function checkDisk(path: string): void {
  const { bavail, bsize } = statfsSync(path);
  const needed = FILES_TIMES * mostBytes;
  const missing = needed - bavail * bsize;
  if (missing <= 0) return;
  const inGigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
  process.stderr.write(
    `The bench scale needs ${inGigabytes(needed)} in ${path}: ${inGigabytes(missing)} are missing (TMPDIR names another folder, --quick takes less)\n`,
  );
  process.exit(1);
}
