import { existsSync, rmSync, statSync } from 'node:fs';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { type Run, timeProgram } from '../common/time-program.js';

/** The built command line. */
const MAIN = join(import.meta.dirname, '..', '..', 'cli', 'main.js');

/** The same without WebAssembly. */
const APPLY_PLAIN = join(import.meta.dirname, 'apply-plain.js');

/** Models on disk. */
export interface ScaleFiles {
  /** What is measured: one large model, or one of many small tensors. */
  readonly part: 'large' | 'many';
  readonly folder: string;
  readonly base: string;
  readonly next: string;
  readonly modelBytes: number;
}

/** A program that is measured, and what it writes. */
interface Step {
  readonly step: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly output?: string;
  /** Whether memory is compared with that of the command line doing nothing. */
  readonly isOurs?: boolean;
  /** Memory that it is known to need; without end for what it refuses. */
  readonly needsBytes?: number;
}

/** What a step took; nulls where it was not run. */
export interface ScaleRow {
  readonly part: ScaleFiles['part'];
  readonly step: string;
  readonly seconds: number | null;
  readonly bytesPerSecond: number | null;
  readonly peakBytes: number | null;
  readonly extraBytes: number | null;
  readonly outputBytes: number | null;
  readonly [column: string]: string | number | null;
}

/**
 * Times the size of a model that all files take at once: base, next, a patched copy, its journal, updates.
 */
export const FILES_TIMES = 5;

/** Bytes of a file from which zstd patches. */
const ZSTD_MOST_BYTES = 2 ** 31;

/** Runs all steps one after the other, each in a process of its own. */
export async function runSteps(files: ScaleFiles, signal: AbortSignal): Promise<ScaleRow[]> {
  const idle = await run({ step: 'idle', command: process.execPath, args: [MAIN, '--version'] }, signal);
  const rows: ScaleRow[] = [];
  for (const step of files.part === 'large' ? largeSteps(files) : manySteps(files)) {
    process.stderr.write(`${step.step}\n`);
    const isRun = (step.needsBytes ?? 0) < totalmem();
    const took = isRun ? await run(step, signal) : null;
    const { output, isOurs = false } = step;
    const isMeasured = isOurs && took?.peakBytes != null && idle?.peakBytes != null;
    rows.push({
      part: files.part,
      step: step.step,
      seconds: took?.seconds ?? null,
      bytesPerSecond: took ? Math.round(files.modelBytes / took.seconds) : null,
      peakBytes: took?.peakBytes ?? null,
      extraBytes: isMeasured ? (took.peakBytes as number) - (idle.peakBytes as number) : null,
      outputBytes: took && output && existsSync(output) ? statSync(output).size : null,
    });
  }
  return rows;
}

/** @returns what a step took; null where its program is not installed or fails, which stderr says */
async function run({ command, args }: Step, signal: AbortSignal): Promise<Run | null> {
  const took = await timeProgram(command, args, { signal });
  if (!('problem' in took)) return took;
  process.stderr.write(`${command}: ${took.problem}\n`);
  return null;
}

function ours(step: string, ...args: string[]): Step {
  return { step, command: process.execPath, args: [MAIN, ...args, '--quiet'], isOurs: true };
}

function manySteps({ folder, base, next }: ScaleFiles): Step[] {
  const [payload, copy] = [join(folder, 'update.ndiff'), join(folder, 'copy.safetensors')];
  return [
    ours('fingerprint', 'fingerprint', base),
    { ...ours('diff', 'diff', base, next, '-o', payload, '--force'), output: payload },
    { step: 'cp', command: 'cp', args: [base, copy], output: copy },
    ours('apply --in-place', 'apply', copy, payload, '--in-place'),
  ];
}

function largeSteps({ folder, base, next, modelBytes }: ScaleFiles): Step[] {
  const at = (name: string): string => join(folder, name);
  const [payload, copy, patch] = [at('update.ndiff'), at('copy.safetensors'), at('update.zst')];
  const cp = { command: 'cp', args: [base, copy], output: copy };
  const long = ['-q', '-f', '--long=31', `--patch-from=${base}`];
  // zstd holds both models, and tables.
  const needsBytes = modelBytes > ZSTD_MOST_BYTES ? Number.POSITIVE_INFINITY : 3 * modelBytes;
  return [
    ours('fingerprint', 'fingerprint', base),
    { ...ours('diff', 'diff', base, next, '-o', payload, '--force'), output: payload },
    ours('diff --workers 1', 'diff', base, next, '-o', payload, '--workers', '1', '--force'),
    { step: 'cp', ...cp },
    ours('apply --in-place', 'apply', copy, payload, '--in-place'),
    { step: 'cp, again', ...cp },
    {
      step: 'apply, plain decoder',
      command: process.execPath,
      args: [APPLY_PLAIN, copy, payload],
      isOurs: true,
    },
    { step: 'sha256sum', command: 'sha256sum', args: [base] },
    {
      step: 'zstd --patch-from',
      command: 'zstd',
      args: [...long, next, '-o', patch],
      output: patch,
      needsBytes,
    },
    {
      step: 'zstd -d --patch-from',
      command: 'zstd',
      args: ['-d', ...long, patch, '-o', copy],
      output: copy,
      needsBytes,
    },
  ];
}

/** Removes what the steps wrote, and the models. */
export function removeFiles(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
