import { NeuralDiffError } from '../model/errors.js';
import { type Device, findTarget, type Release } from '../release/find-releases.js';
import type { MetadataStore } from '../release/metadata.js';
import type { Trust } from '../release/refresh-trust.js';
import { readRecord, removeRecord, writeRecord } from '../storage/disk.js';
import { fingerprintOf } from '../storage/storage.js';
import { findAllReleases } from './find-all-releases.js';
import { refreshFromSource, withSource } from './list-targets.js';
import { missedAmongRefused, missedBecause } from './missed-release.js';
import { planUpdate, type UpdatePlan } from './plan-update.js';
import { rejectedAmong } from './rejected-releases.js';
import { waitingFor } from './rollout.js';
import type { StateLocation, UpdaterState } from './state.js';
import type { CallOptions, UpdateOutcome, UpdaterOptions } from './updater.js';

/** Result of a check. */
export interface CheckedReleases {
  /** Fingerprint of the stored model. */
  readonly fingerprint: string;
  /** Undefined if there is nothing to do. */
  readonly plan?: UpdatePlan;
  /** The newest release, if the plan does not lead there. Without plan and this the model is current. */
  readonly missed?: NonNullable<UpdateOutcome['missed']>;
  /** The stored model's release, if it was withdrawn and no other file leads to that model. */
  readonly withdrawn?: NonNullable<UpdateOutcome['withdrawn']>;
}

/**
 * Fetches and verifies the repository's metadata, and plans an update of the stored model, which is read
 * once.
 *
 * @throws NeuralDiffError `network`, and the codes of `refreshTrust`
 */
export async function checkReleases(
  options: UpdaterOptions,
  { counter, rejectedModels, rejectedReleases }: UpdaterState,
  { signal }: CallOptions,
): Promise<CheckedReleases> {
  const { policy, openModelFile } = options;
  const trust = await refreshFromSource({ ...options, store: metadataOnDisk(options), signal });
  const fingerprint = await fingerprintOf(options.storage);
  const rejectedIn = (releases: readonly Release[]) =>
    rejectedAmong(releases, rejectedReleases, options.programVersion);
  const device = { ...deviceOf(options, counter), fingerprint, rejectedModels, rejectedIn };
  const found = await withSource({ ...options, signal }, (fetch) =>
    findAllReleases(trust, device, (path, maxBytes) => fetch(`targets/${path}`, maxBytes)),
  );
  const { usable } = found;
  const rejected = await rejectedIn(usable);
  const waiting = await waitingFor(usable, options);
  const state = { fingerprint, rejectedModels, rejectedReleases: rejected, waiting };
  const routes = { ...policy, ...(openModelFile === undefined && { full: 'never' as const }) };
  const planned = planUpdate(usable, state, routes);
  const missed =
    missedAmongRefused(found, { fingerprint, counter }) ??
    (planned.missed && missedBecause(planned.missed, found, { ...state, ...routes }));
  const plan = planned.plan && withTrust(planned.plan, trust);
  if (plan) options.onEvent?.({ type: 'planned', plan });
  const leadsHere = ({ statement }: { readonly statement?: Release['statement'] | undefined }) =>
    statement?.next === fingerprint;
  const withdrawn = usable.some(leadsHere)
    ? undefined
    : found.refused.find((release) => leadsHere(release) && release.statement?.withdrawn)?.statement;
  return { fingerprint, ...(plan && { plan }), ...(missed && { missed }), ...(withdrawn && { withdrawn }) };
}

/** @returns what a release must be for */
export function deviceOf(
  { deviceClass, channel }: Pick<UpdaterOptions, 'deviceClass' | 'channel'>,
  counter: number,
): Device {
  return {
    counter,
    ...(deviceClass !== undefined && { deviceClass }),
    ...(channel !== undefined && { channel }),
  };
}

/** Adds who signed, and the golden inputs of the plan's last release. */
function withTrust(plan: UpdatePlan, trust: Trust): UpdatePlan {
  const { signedBy: keys = [], version } = trust.targets;
  const file = plan.steps.at(-1)?.statement.golden;
  const golden = file && { file, path: findTarget(trust, file) };
  return { ...plan, signedBy: { keys, version }, ...(golden && { golden }) };
}

/** Stores trusted metadata on a disk. A damaged file is treated as missing, so that it is fetched again. */
function metadataOnDisk({ disk, folder }: StateLocation): MetadataStore {
  const pathOf = (name: string): string => `${folder}/trust/${name}`;
  return {
    read: (name) =>
      readRecord(disk, pathOf(name)).catch((error) => {
        if (error instanceof NeuralDiffError && error.code === 'storage-mismatch') return undefined;
        throw error;
      }),
    write: (name, bytes) => writeRecord(disk, pathOf(name), bytes),
    remove: (name) => removeRecord(disk, pathOf(name)),
  };
}
