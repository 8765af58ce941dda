import { statementsOf } from '../src/publish/publish-release.js';
import type { Repository } from '../src/publish/repository.js';
import type { ReleaseStatement } from '../src/release/statement.js';
import { planUpdate } from '../src/updater/plan-update.js';
import type { CommonFlags } from './command.js';
import { alignColumns, type Io, printResult } from './io.js';

/** What a device with one of the models of a repository would fetch. */
interface FleetRow {
  /** Class of the device; undefined for one without. */
  readonly deviceClass?: string;
  /** Fingerprint of its model. */
  readonly model: string;
  readonly status: 'current' | 'available' | 'unreachable';
  /** Counter of the release that the device gets, names of the files and their bytes. */
  readonly counter?: number;
  readonly files?: readonly string[];
  readonly bytes?: number;
}

/** Prints the releases of a repository, newest first, and what a fleet of devices would fetch. */
export function printReleases(repository: Repository, flags: CommonFlags, io: Io): void {
  const now = new Date();
  const releases = statementsOf(repository).sort((a, b) => b.counter - a.counter || a.bytes - b.bytes);
  const live = releases.filter(({ expires }) => expires > now);
  const classes = [...new Set(live.flatMap(({ deviceClasses = [] }) => deviceClasses))].sort();
  const hasOpen = live.some(({ deviceClasses }) => deviceClasses === undefined);
  const groups = [...(hasOpen ? [undefined] : []), ...classes];
  const fleet = groups.flatMap((deviceClass) => fleetOf(live, deviceClass));
  printResult(io, flags, {
    json: { releases: releases.map((release) => ({ ...release, isLive: release.expires > now })), fleet },
    lines: [...releaseTable(releases, now), '', ...fleetTable(fleet)],
  });
}

/** @returns a row for each model that the releases for a class of devices lead from or to */
function fleetOf(live: readonly ReleaseStatement[], deviceClass: string | undefined): FleetRow[] {
  const own = live.filter(
    ({ deviceClasses }) => deviceClasses === undefined || deviceClasses.includes(deviceClass ?? ''),
  );
  const usable = own.map((statement) => ({ statement, path: statement.name }));
  const models = new Set(own.flatMap(({ base, next }) => (base === undefined ? [next] : [next, base])));
  return [...models].map((model) => {
    const { plan, missed } = planUpdate(usable, { fingerprint: model, rejectedModels: [] });
    const row = { ...(deviceClass !== undefined && { deviceClass }), model };
    if (plan === undefined) return { ...row, status: missed ? 'unreachable' : 'current' };
    const files = plan.steps.map(({ statement }) => statement.name);
    return { ...row, status: 'available', counter: plan.counter, files, bytes: plan.bytes };
  });
}

/** @returns the start of a fingerprint, enough to tell models apart */
const short = (model: string): string => model.slice(0, 12);

function releaseTable(releases: readonly ReleaseStatement[], now: Date): string[] {
  const rows = releases.map(({ counter, kind, bytes, base, next, expires, deviceClasses, name }) => [
    ...[String(counter), kind, String(bytes), base ? short(base) : 'any', short(next)],
    expires > now ? expires.toISOString().slice(0, 10) : 'expired',
    deviceClasses?.join(',') ?? 'all',
    name,
  ]);
  const head = ['counter', 'kind', 'bytes', 'base', 'next', 'expires', 'devices', 'name'];
  return releases.length === 0 ? ['no releases'] : alignColumns([head, ...rows]);
}

function fleetTable(fleet: readonly FleetRow[]): string[] {
  const rows = fleet.map(({ deviceClass = 'all', model, status, counter, files, bytes }) => [
    ...[deviceClass, short(model), files ? `to ${counter}` : status],
    ...(files ? [String(bytes), files.join(', ')] : ['', '']),
  ]);
  const head = ['devices', 'model', 'update', 'bytes', 'files'];
  return fleet.length === 0 ? [] : alignColumns([head, ...rows]).map((line) => line.trimEnd());
}
