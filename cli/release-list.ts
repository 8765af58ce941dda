import { statementsOf, withdrawnOf } from '../src/publish/arrange-targets.js';
import type { Repository } from '../src/publish/repository.js';
import type { ReleaseStatement } from '../src/release/statement.js';
import { planUpdate } from '../src/updater/plan-update.js';
import type { CommonFlags } from './command.js';
import { alignColumns, type Io, printResult } from './io.js';
import { formatRollout } from './release-draft.js';

/** Devices that get the same releases. */
interface Group {
  readonly deviceClass?: string;
  readonly channel?: string;
}

/** What a device with one of the models of a repository would fetch, once releases are rolled out to all. */
interface FleetRow extends Group {
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
  const releases = [...statementsOf(repository), ...withdrawnOf(repository)].sort(
    (a, b) => b.counter - a.counter || a.bytes - b.bytes,
  );
  const isLive = ({ expires, withdrawn }: ReleaseStatement) => expires > now && withdrawn === undefined;
  const live = releases.filter(isLive);
  const fleet = groupsOf(live).flatMap((group) => fleetOf(live, group));
  printResult(io, flags, {
    json: { releases: releases.map((release) => ({ ...release, isLive: isLive(release) })), fleet },
    lines: [...releaseTable(releases, now), '', ...fleetTable(fleet)],
  });
}

/** @returns every device class and channel that releases are for, together with those for all */
function groupsOf(live: readonly ReleaseStatement[]): Group[] {
  const groups = live.flatMap(({ deviceClasses, channel }): Group[] => {
    const classes: Group[] = deviceClasses?.map((deviceClass) => ({ deviceClass })) ?? [{}];
    return channel === undefined ? classes : [...classes, ...classes.map((each) => ({ ...each, channel }))];
  });
  const byName = new Map(groups.map((group) => [nameOf(group), group]));
  return [...byName].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group);
}

const nameOf = ({ deviceClass = 'all', channel }: Group): string =>
  channel === undefined ? deviceClass : `${deviceClass}, ${channel}`;

/** @returns a row for each model that the releases for a group of devices lead from or to */
function fleetOf(live: readonly ReleaseStatement[], group: Group): FleetRow[] {
  const { deviceClass = '', channel } = group;
  const own = live
    .filter(({ deviceClasses }) => deviceClasses?.includes(deviceClass) ?? true)
    .filter((each) => each.channel === undefined || each.channel === channel);
  const usable = own.map((statement) => ({ statement, path: statement.name }));
  const models = new Set(own.flatMap(({ base, next }) => (base === undefined ? [next] : [next, base])));
  return [...models].map((model) => {
    const { plan, missed } = planUpdate(usable, { fingerprint: model, rejectedModels: [] });
    if (plan === undefined) return { ...group, model, status: missed ? 'unreachable' : 'current' };
    const files = plan.steps.map(({ statement }) => statement.name);
    return { ...group, model, status: 'available', counter: plan.counter, files, bytes: plan.bytes };
  });
}

/** @returns the start of a fingerprint, enough to tell models apart */
const short = (model: string): string => model.slice(0, 12);

function releaseTable(releases: readonly ReleaseStatement[], now: Date): string[] {
  const rows = releases.map((release) => {
    const { counter, kind, bytes, base, next, expires, deviceClasses, channel, rollout, name, withdrawn } =
      release;
    const staging = [channel, rollout === undefined ? undefined : formatRollout(rollout)];
    return [
      ...[String(counter), kind, String(bytes), base ? short(base) : 'any', short(next)],
      expires > now ? expires.toISOString().slice(0, 10) : 'expired',
      [deviceClasses?.join(',') ?? 'all', ...staging.filter((each) => each !== undefined)].join(', '),
      withdrawn === undefined ? name : `${name}, withdrawn: ${withdrawn}`,
    ];
  });
  const head = ['counter', 'kind', 'bytes', 'base', 'next', 'expires', 'devices', 'name'];
  return releases.length === 0 ? ['no releases'] : alignColumns([head, ...rows]);
}

function fleetTable(fleet: readonly FleetRow[]): string[] {
  const rows = fleet.map(({ model, status, counter, files, bytes, ...group }) => [
    ...[nameOf(group), short(model), files ? `to ${counter}` : status],
    ...(files ? [String(bytes), files.join(', ')] : ['', '']),
  ]);
  const head = ['devices', 'model', 'update', 'bytes', 'files'];
  return fleet.length === 0 ? [] : alignColumns([head, ...rows]).map((line) => line.trimEnd());
}
