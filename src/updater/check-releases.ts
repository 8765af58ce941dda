import { NeuralDiffError } from '../model/errors.js';
import { findReleases, findTarget } from '../release/find-releases.js';
import type { MetadataStore } from '../release/metadata.js';
import { refreshTrust, type Trust } from '../release/refresh-trust.js';
import { readRecord, removeRecord, writeRecord } from '../storage/disk.js';
import { fingerprintOf } from '../storage/storage.js';
import { setDeadline } from './deadline.js';
import { planUpdate, type UpdatePlan } from './plan-update.js';
import { namesOfRejected } from './rejected-releases.js';
import type { StatePlace, UpdaterState } from './state.js';
import type { CallOptions, UpdaterOptions } from './updater.js';

/** Milliseconds that all metadata of one check may take: time for the largest on a slow line. */
const METADATA_MS = 300_000;

/** What a check found. */
interface CheckedReleases {
  /** Of the model as it is stored. */
  readonly fingerprint: string;
  /** Undefined where the model is current. */
  readonly plan: UpdatePlan | undefined;
}

/**
 * Asks the repository, checks everything that it says, and plans the way from the model as it is stored now: it is read once.
 *
 * @throws NeuralDiffError `network`, and the codes of `refreshTrust`
 */
export async function checkReleases(
  options: UpdaterOptions,
  { counter, rejectedModels, rejectedReleases }: UpdaterState,
  call: CallOptions,
): Promise<CheckedReleases> {
  const { deviceClass, policy, openModelFile } = options;
  const trust = await refresh(options, call);
  const { usable } = findReleases(trust, { counter, ...(deviceClass !== undefined && { deviceClass }) });
  const fingerprint = await fingerprintOf(options.storage);
  const planned = planUpdate(
    usable,
    {
      ...{ fingerprint, counter, rejectedModels },
      rejectedReleases: await namesOfRejected(usable, rejectedReleases, options.programVersion),
    },
    {
      ...policy,
      ...(openModelFile === undefined && { full: 'never' as const }),
    },
  );
  const plan = planned && withGolden(planned, trust);
  if (plan) options.onEvent?.({ type: 'planned', plan });
  return { fingerprint, plan };
}

async function refresh(options: UpdaterOptions, { signal }: CallOptions): Promise<Trust> {
  const { source, root, now = () => new Date(), ed25519, metadataMs = METADATA_MS } = options;
  const deadline = setDeadline({ milliseconds: metadataMs, doing: 'fetch metadata', signal });
  try {
    return await refreshTrust({
      ...{ root, now, store: metadataOnDisk(options) },
      fetchMetadata: (name, maxBytes) =>
        deadline.within((stop) => source.fetch(`metadata/${name}`, { maxBytes, signal: stop })),
      ...(ed25519 && { ed25519 }),
    });
  } finally {
    deadline.end();
  }
}

/** Golden inputs are those of the release that is reached. */
function withGolden(plan: UpdatePlan, trust: Trust): UpdatePlan {
  const file = plan.steps.at(-1)?.statement.golden;
  return file ? { ...plan, golden: { file, path: findTarget(trust, file) } } : plan;
}

/** Keeps what a device trusts on a disk. A file that is damaged counts for none: it is fetched again. */
function metadataOnDisk({ disk, folder }: StatePlace): MetadataStore {
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
