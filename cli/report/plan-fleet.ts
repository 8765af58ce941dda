import { routeEdge } from '../../src/chain/index.js';
import { readPayload } from '../../src/node/index.js';
import { type Fleet, type InstalledVersion, planFleet, type Report } from '../../src/report/index.js';
import type { Io } from '../io.js';
import { readEdges, resolveModel } from '../routes.js';
import type { ReportFlags } from './flags.js';

/**
 * Works out what a fleet downloads to come to the model of the payload that is to be shipped; where none is, of the first one.
 *
 * @throws RangeError for two versions that are one model; those of models and payloads
 */
export async function planReportFleet(
  report: Report,
  installed: readonly InstalledVersion[],
  { flags, io }: { flags: ReportFlags; io: Io },
): Promise<Fleet | undefined> {
  const { candidates, advice, ways, model } = report;
  const shipped = candidates.find(({ name }) => name === advice.ship) ?? candidates[0];
  if (shipped === undefined || model === undefined) return undefined;
  const own = await Promise.all(
    (flags.payload ?? []).map(async (path) => routeEdge(path, await readPayload(path))),
  );
  const others = flags.updates === undefined ? [] : (await readEdges(flags.updates)).edges;
  const edges = [...own, ...others];
  const known = new Set([model.base, ...edges.flatMap(({ base, next }) => [base, next])]);
  const versions: InstalledVersion[] = [];
  for (const { version, devices } of installed)
    versions.push({ version: await resolveModel(version, known, io), devices });
  const twice = versions.find(({ version }, i) => versions.findIndex((each) => each.version === version) < i);
  if (twice) throw new RangeError(`Cannot plan the fleet: two of its versions are model ${twice.version}`);
  const compressed = ways.find(({ name, bytes }) => name.includes('compressed') && bytes !== undefined);
  const fullBytes = flags.fullBytes ?? compressed?.bytes ?? model.bytes;
  return planFleet({ versions, edges, next: shipped.next, fullBytes });
}
