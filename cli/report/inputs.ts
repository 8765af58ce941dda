import { readFile } from 'node:fs/promises';
import { withFileErrors } from '../../src/node/file-errors.js';
import { parseBench, readTask, tasksOf } from '../../src/report/bench.js';
import type { Frontier, Report, Sequence } from '../../src/report/document.js';
import { type InstalledVersion, parseFleet } from '../../src/report/fleet.js';
import { type Gates, parseGates } from '../../src/report/gates.js';
import { parseReport } from '../../src/report/schema.js';
import { UsageError } from '../exit-codes.js';
import type { ReportFlags } from './flags.js';

/** Files beside models and payloads that a report is made of, read and checked. */
export interface ReportInputs {
  readonly gates: Gates | undefined;
  readonly against: Report | undefined;
  readonly fleet: readonly InstalledVersion[] | undefined;
  /** What benches measured of one task. */
  readonly bench: { readonly frontier?: Frontier; readonly sequence?: Sequence };
}

/**
 * Reads them, before any time is spent on measuring.
 *
 * @throws NeuralDiffError `bad-document`, `file-not-found`, `file-unreadable`
 * @throws UsageError for benches of several tasks of which none is named
 */
export async function readInputs({
  gate,
  against,
  fleet,
  bench = [],
  task,
}: ReportFlags): Promise<ReportInputs> {
  return {
    gates: await readInto(gate, parseGates),
    against: await readInto(against, parseReport),
    fleet: await readInto(fleet, parseFleet),
    bench: await readBenches(bench, task),
  };
}

async function readInto<T>(
  path: string | undefined,
  parse: (text: string, name: string) => T,
): Promise<T | undefined> {
  return path === undefined ? undefined : parse(await readText(path), path);
}

function readText(path: string): Promise<string> {
  return withFileErrors(`Cannot read "${path}"`, () => readFile(path, 'utf8'));
}

async function readBenches(
  paths: readonly string[],
  task: string | undefined,
): Promise<ReportInputs['bench']> {
  if (paths.length === 0) return {};
  const documents = await Promise.all(paths.map(async (path) => parseBench(await readText(path), path)));
  const tasks = [...new Set(documents.flatMap(tasksOf))];
  const [only] = tasks;
  if (task === undefined && (tasks.length > 1 || only === undefined))
    throw new UsageError(`Expected --task, one of ${tasks.join(', ')}`);
  return readTask(documents, task ?? (only as string));
}
