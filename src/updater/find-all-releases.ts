import { MAX_CHAIN_STEPS } from '../chain/plan-route.js';
import { FORMAT_VERSION } from '../payload/header.js';
import { type Device, type FoundReleases, findReleases, type Release } from '../release/find-releases.js';
import type { Trust } from '../release/refresh-trust.js';
import {
  ANY_BASE,
  type FetchTarget,
  findInIndex,
  INDEX_FIELD,
  INDEX_NAME,
  type NodeFile,
} from '../release/release-index.js';
import type { ReleaseStatement } from '../release/statement.js';
import type { DeviceState } from './plan-update.js';

/** A device, and what it has rejected. */
interface Follower extends Device, Pick<DeviceState, 'fingerprint' | 'rejectedModels'> {
  /** @returns those of some releases that it has rejected, by name */
  rejectedIn(releases: readonly Release[]): Promise<ReadonlyMap<string, string>>;
}

/**
 * Finds the releases that a device may use: those that the targets list and, where none of them is for its
 * model or leads to it, those on the way to one, which the index lists.
 *
 * Of the payloads for a model the one with the highest counter is followed.
 *
 * @throws NeuralDiffError as `findInIndex`
 */
export async function findAllReleases(
  trust: Trust,
  device: Follower,
  fetchTarget: FetchTarget,
): Promise<FoundReleases> {
  const listed = findReleases(trust, device);
  const index = indexOf(trust);
  if (index === undefined) return listed;
  const ends = new Set(listed.usable.flatMap(({ statement: { base, next } }) => [base, next]));
  const fetchOnce = once(fetchTarget);
  const older: ReleaseStatement[] = [];
  let at = device.fingerprint;
  for (let step = 0; step < MAX_CHAIN_STEPS && !ends.has(at); step++) {
    const found = await findInIndex(index, at, fetchOnce);
    older.push(...found);
    const { usable } = findReleases(trust, device, found);
    const next = await farthest(
      usable.filter(({ statement }) => statement.base === at),
      device,
    );
    if (next === undefined) {
      older.push(...(await findInIndex(index, ANY_BASE, fetchOnce)));
      break;
    }
    at = next;
  }
  return findReleases(trust, device, older);
}

/** @returns the file of the index's first node; undefined for a repository without an index */
export function indexOf({ targets }: Trust): NodeFile | undefined {
  const target = targets.targets.get(INDEX_NAME);
  return target && Object.hasOwn(target.custom, INDEX_FIELD) ? target : undefined;
}

/** @returns the model that the newest payload leads to, of those that a device has not rejected */
async function farthest(
  usable: readonly Release[],
  { rejectedModels, rejectedIn }: Follower,
): Promise<string | undefined> {
  const rejected = await rejectedIn(usable);
  const isTried = ({ statement: { name, next } }: Release): boolean =>
    rejected.has(name) || rejectedModels.some(({ model }) => model === next);
  const found = usable.find(
    (release) => release.statement.formatVersion === FORMAT_VERSION && !isTried(release),
  );
  return found?.statement.next;
}

/** Fetches each file once: routes begin with the same nodes. */
function once(fetchTarget: FetchTarget): FetchTarget {
  const known = new Map<string, ReturnType<FetchTarget>>();
  return (path, maxBytes) => {
    const found = known.get(path) ?? fetchTarget(path, maxBytes);
    known.set(path, found);
    return found;
  };
}
