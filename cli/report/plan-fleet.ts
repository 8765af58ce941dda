import { type RouteEdge, routeEdge } from '../../src/chain/plan-route.js';
import { readPayload } from '../../src/node/read-payload.js';
import type { Fleet, Report } from '../../src/report/document.js';
import { type InstalledVersion, planFleet } from '../../src/report/fleet.js';
import { type Io, remark } from '../io.js';
import { readEdges, resolveModel } from '../routes.js';
import type { ReportFlags } from './flags.js';
import { printable } from './table.js';

/** A fleet whose versions are known, and the payloads that there are for it. */
export interface FleetPlan {
  readonly versions: readonly InstalledVersion[];
  readonly edges: readonly RouteEdge[];
}

/**
 * Finds out which models the versions of a fleet are, before any time is spent on measuring.
 *
 * @throws RangeError for two versions that are one model; those of models and payloads
 */
export async function readFleet(
  installed: readonly InstalledVersion[],
  flags: ReportFlags,
  io: Io,
): Promise<FleetPlan> {
  const own = await Promise.all(
    (flags.payload ?? []).map(async (path) => routeEdge(path, await readPayload(path))),
  );
  const { edges: others, skipped } =
    flags.updates === undefined ? { edges: [], skipped: [] } : await readEdges(flags.updates);
  for (const { file, message } of skipped)
    remark(io, flags, `passed over ${printable(file)}: ${printable(message)}`);
  const edges = [...own, ...others];
  const known = new Set(edges.flatMap(({ base, next }) => [base, next]));
  const versions: InstalledVersion[] = [];
  for (const { version, devices } of installed)
    versions.push({ version: await resolveModel(version, known, io), devices });
  const twice = versions.find(({ version }, i) => versions.findIndex((each) => each.version === version) < i);
  if (twice) throw new RangeError(`Cannot plan the fleet: two of its versions are model ${twice.version}`);
  return { versions, edges };
}

/** Works out what a fleet downloads to come to the model of the payload that is to be shipped; where none is, of the first one. */
export function planReportFleet(
  { candidates, advice, ways, model }: Report,
  plan: FleetPlan,
  { fullBytes }: ReportFlags,
): Fleet | undefined {
  const shipped = candidates.find(({ name }) => name === advice.ship) ?? candidates[0];
  if (shipped === undefined || model === undefined) return undefined;
  const compressed = ways.find(({ name, bytes }) => name.includes('compressed') && bytes !== undefined);
  const bytes = fullBytes ?? compressed?.bytes ?? model.bytes;
  return planFleet({ ...plan, next: shipped.next, fullBytes: bytes });
}
