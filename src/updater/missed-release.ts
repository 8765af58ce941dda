import { MAX_CHAIN_STEPS, reachableModels } from '../chain/plan-route.js';
import { FORMAT_VERSION } from '../payload/header.js';
import type { FoundReleases, Release } from '../release/find-releases.js';
import { type DeviceState, edgesOf, type Goal, type RoutePolicy } from './plan-update.js';
import type { RejectedModel } from './state.js';
import type { UpdateOutcome } from './updater.js';

type MissedRelease = NonNullable<UpdateOutcome['missed']>;

/** A device and what its policy says about routes. */
type Device = DeviceState & RoutePolicy & { readonly rejectedModels: readonly RejectedModel[] };

/** @returns why a device does not take a release */
export function missedBecause(
  { counter, next, bytes }: Goal,
  found: FoundReleases,
  state: Device,
): MissedRelease {
  const { usable: releases } = found;
  const goal = { counter, next };
  if (bytes !== undefined)
    return { status: 'over-limit', ...goal, bytes, reason: overLimit(bytes, state.maxBytes) };
  const held = heldBack(next, releases, state);
  if (held !== undefined) return { status: 'held-back', ...goal, reason: held };
  return { status: 'unreachable', ...goal, reason: unreachable(next, found, state) };
}

const overLimit = (bytes: number, maxBytes = 0): string =>
  `it takes ${bytes} bytes, the limit is ${maxBytes}`;

/** @returns what was rejected, if the release could be reached without; undefined if not */
function heldBack(next: string, releases: readonly Release[], state: Device): string | undefined {
  const rejectedModel = state.rejectedModels.find(({ model }) => model === next);
  if (rejectedModel) return describeRejection(rejectedModel);
  const accepted = usableFiles(releases, state);
  if (!isReachable(next, accepted, state)) return undefined;
  const files = releases
    .map(({ statement: { name } }) => ({ name, code: state.rejectedReleases?.get(name) }))
    .filter(({ code }) => code !== undefined)
    .map(({ name, code }) => `${name} was rejected (${code})`);
  const models = state.rejectedModels
    .filter(({ model }) => accepted.some(({ statement }) => statement.next === model))
    .map(describeRejection);
  return [...files, ...models].join(', ');
}

/** What a device did with a model, in words. */
const REJECTIONS: Readonly<Record<NonNullable<RejectedModel['reason']>, string>> = {
  asked: 'was rolled back on request',
  'too-many-starts': 'was rolled back: it was not confirmed in time',
  'unknown-trial': 'was rolled back: its trial was unknown',
  'test-failed': 'failed its self-test',
};

/** @returns a rejected model and what became of it, for people */
export function describeRejection({ model, reason, names = [] }: RejectedModel): string {
  const from = names.length > 0 ? ` (${names.join(', ')})` : '';
  return `model ${model}${from} ${reason ? REJECTIONS[reason] : 'was rejected'}`;
}

/** @returns the files that this program can read */
function usableFiles(releases: readonly Release[], { full }: RoutePolicy): Release[] {
  return releases.filter(({ statement: { kind, formatVersion } }) =>
    kind === 'full' ? full !== 'never' : formatVersion === FORMAT_VERSION,
  );
}

function isReachable(next: string, releases: readonly Release[], { fingerprint }: DeviceState): boolean {
  const isWhole = releases.some(({ statement }) => statement.kind === 'full' && statement.next === next);
  return isWhole || reachableModels(edgesOf(releases), fingerprint).has(next);
}

function unreachable(next: string, { usable: releases, refused }: FoundReleases, state: Device): string {
  const { fingerprint } = state;
  if (isReachable(next, usableFiles(releases, {}), state))
    return `only the whole model leads there from ${fingerprint}, and whole models are not allowed`;
  if (isReachable(next, releases, state))
    return `its payloads have another format, this program reads format ${FORMAT_VERSION}: update the program`;
  const withdrawn = refused.flatMap(({ statement }) =>
    statement?.withdrawn === undefined ? [] : [{ statement, path: '' }],
  );
  if (isReachable(next, [...releases, ...withdrawn], state)) {
    const why = withdrawn.map(({ statement }) => `${statement.name} (${statement.withdrawn})`);
    return `the way there was withdrawn: ${why.join(', ')}`;
  }
  return (
    `no payload, and no chain of at most ${MAX_CHAIN_STEPS}, leads there from ${fingerprint}: ` +
    'publish one, or the whole model'
  );
}

/**
 * Finds a release that a device would miss without knowing of it: one that has expired, or, where none is
 * usable, one for other devices or of an unknown version. Those that were withdrawn are not missed.
 *
 * @param found the releases; a plan knows only the usable ones
 * @param device fingerprint of the model and counter of the installed release
 */
export function missedAmongRefused(
  { usable, refused }: FoundReleases,
  device: { readonly fingerprint: string; readonly counter: number },
): MissedRelease | undefined {
  const newest = Math.max(device.counter, ...usable.map(({ statement }) => statement.counter));
  const missed = refused
    .filter(({ problem }) => usable.length === 0 || problem.code === 'metadata-expired')
    .filter(({ statement }) => (statement?.counter ?? Number.POSITIVE_INFINITY) > newest)
    .filter(({ statement }) => statement?.next !== device.fingerprint && !statement?.withdrawn)
    .sort((a, b) => (b.statement?.counter ?? 0) - (a.statement?.counter ?? 0))[0];
  if (missed === undefined) return undefined;
  const { statement, problem } = missed;
  const goal = statement && { counter: statement.counter, next: statement.next };
  return { status: 'unreachable', ...goal, reason: problem.message };
}
