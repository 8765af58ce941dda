import { type RouteEdge, routeEdge } from '../src/chain/plan-route.js';
import { readPayload } from '../src/node/read-payload.js';
import { parseBench, readTask, tasksOf } from '../src/report/bench.js';
import { type CurveDocument, parseCurve } from '../src/report/curve.js';
import type { Fleet, Frontier, Report, Sequence } from '../src/report/document.js';
import { type InstalledVersion, parseFleet, planFleet } from '../src/report/fleet.js';
import { type Gates, parseGates } from '../src/report/gates.js';
import type { MeasureOptions } from '../src/report/measure/options.js';
import { parseReport } from '../src/report/schema.js';
import type { CommonFlags, Flags, FlagsOf } from './command.js';
import { UsageError } from './exit-codes.js';
import type { MeasureFlags } from './flags.js';
import { type Io, remark } from './io.js';
import { readText } from './open.js';
import { NO_UPDATES, readUpdates, resolveModel } from './routes.js';
import { chainOf } from './training.js';

/** @returns what is to be measured */
export function measureOptions(
  { chain, next, recipe, seed, backend }: MeasureFlags,
  { base, payloads, io }: { base: string; payloads: readonly string[]; io: Io },
): MeasureOptions {
  const paths = chainOf(chain);
  const model = { base, payloads, next, ...(paths && { chain: paths }) };
  return { ...model, recipe, seed, backend, signal: io.signal };
}

/** The flag for the precision of stored weights. */
export const PRECISION_FLAGS = {
  precision: {
    type: 'string',
    placeholder: 'gap',
    valueIfBare: '0.3%',
    description:
      'For each tensor of the base, find the coarsest of float16, bfloat16 and int8 that together stay within this gap on validation data; without a value, 0.3%',
  },
} as const satisfies Flags;

/** Flags that name the documents of a report. */
export const INPUT_FLAGS = {
  gate: {
    type: 'string',
    placeholder: 'file',
    description: 'JSON file with limits for payloads; if no payload meets them, exit with 10',
  },
  against: {
    type: 'string',
    placeholder: 'file',
    isRepeated: true,
    description:
      'Earlier report.json to compare with; may be repeated, oldest first: all form the history, the last is compared with',
  },
  curve: {
    type: 'string',
    placeholder: 'file',
    isRepeated: true,
    description: 'File from train --curve, to show how a payload was trained; may be repeated',
  },
  bench: {
    type: 'string',
    placeholder: 'file',
    isRepeated: true,
    description:
      'JSON file from the accuracy or sequence bench, alone or in addition to payloads; may be repeated',
  },
  task: { type: 'string', placeholder: 'name', description: 'With --bench: task to show' },
  fleet: { type: 'string', placeholder: 'file', description: 'CSV file with columns version and devices' },
} as const satisfies Flags;

/** The documents, read and checked. */
export interface ReportInputs {
  readonly gates: Gates | undefined;
  readonly against: readonly Report[];
  readonly curves: readonly CurveDocument[];
  readonly fleet: readonly InstalledVersion[] | undefined;
  /** What benches have measured of one task. */
  readonly bench: { readonly frontier?: Frontier; readonly sequence?: Sequence };
}

/**
 * Reads the documents of a report, before any time is spent on measuring.
 *
 * @throws NeuralDiffError `bad-document`, `file-not-found`, `file-unreadable`
 * @throws UsageError for benches of several tasks, none of which is named
 */
export async function readInputs({
  gate,
  against,
  curve,
  fleet,
  bench,
  task,
}: FlagsOf<typeof INPUT_FLAGS>): Promise<ReportInputs> {
  return {
    gates: await readInto(gate, parseGates),
    against: await readAll(against, parseReport),
    curves: await readAll(curve, parseCurve),
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

function readAll<T>(paths: readonly string[], parse: (text: string, name: string) => T): Promise<T[]> {
  return Promise.all(paths.map(async (path) => parse(await readText(path), path)));
}

async function readBenches(
  paths: readonly string[],
  task: string | undefined,
): Promise<ReportInputs['bench']> {
  if (paths.length === 0) return {};
  const documents = await readAll(paths, parseBench);
  const tasks = [...new Set(documents.flatMap(tasksOf))];
  const [only] = tasks;
  if (task === undefined && (tasks.length > 1 || only === undefined))
    throw new UsageError(`Expected --task, one of ${tasks.join(', ')}`);
  return readTask(documents, task ?? (only as string));
}

/** Flags that say what a fleet can download. */
export const FLEET_FLAGS = {
  updates: {
    type: 'string',
    placeholder: 'folder',
    description:
      'With --fleet: folder with other payloads for devices, or a repository, whose metadata are counted too',
  },
  fullBytes: {
    type: 'number',
    placeholder: 'bytes',
    description: 'With --fleet: download size of the full model in bytes; default: its compressed size',
  },
} as const satisfies Flags;

type FleetFlags = FlagsOf<typeof FLEET_FLAGS>;

/** A fleet whose versions are known, and the payloads that exist for it. */
export interface FleetPlan {
  readonly versions: readonly InstalledVersion[];
  readonly edges: readonly RouteEdge[];
  /** Bytes of a repository's metadata. */
  readonly metadataBytes?: number | undefined;
}

/**
 * Finds out which models the versions of a fleet are, before any time is spent on measuring.
 *
 * @throws RangeError for two versions that are one model; those of models and payloads
 */
export async function readFleet(
  installed: readonly InstalledVersion[],
  flags: FleetFlags & CommonFlags & { readonly payload: readonly string[] },
  io: Io,
): Promise<FleetPlan> {
  const own = await Promise.all(flags.payload.map(async (path) => routeEdge(path, await readPayload(path))));
  const {
    edges: others,
    skipped,
    metadataBytes,
  } = flags.updates ? await readUpdates(flags.updates) : NO_UPDATES;
  for (const { file, message } of skipped) remark(io, flags, `passed over ${file}: ${message}`);
  const edges = [...own, ...others];
  const known = new Set(edges.flatMap(({ base, next }) => [base, next]));
  const versions: InstalledVersion[] = [];
  for (const { version, devices } of installed)
    versions.push({ version: await resolveModel(version, known, io), devices });
  const twice = versions.find(({ version }, i) => versions.findIndex((each) => each.version === version) < i);
  if (twice) throw new RangeError(`Cannot plan the fleet: two of its versions are model ${twice.version}`);
  return { versions, edges, metadataBytes };
}

/** Computes what a fleet downloads to get to the model of the payload to ship, or of the first payload. */
export function planReportFleet(
  { candidates, advice, ways, model }: Report,
  plan: FleetPlan,
  { fullBytes }: Pick<FleetFlags, 'fullBytes'>,
): Fleet | undefined {
  const shipped = candidates.find(({ name }) => name === advice.ship) ?? candidates[0];
  if (shipped === undefined || model === undefined) return undefined;
  const compressed = ways.find(({ name, bytes }) => name.includes('compressed') && bytes !== undefined);
  const bytes = fullBytes ?? compressed?.bytes ?? model.bytes;
  return planFleet({ ...plan, next: shipped.next, fullBytes: bytes });
}
