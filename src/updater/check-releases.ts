import { findReleases, findTarget, refreshTrust, type Trust } from '../release/index.js';
import { nameOf } from '../storage/index.js';
import { setDeadline } from './deadline.js';
import { metadataOnDisk } from './metadata-on-disk.js';
import { planUpdate, type UpdatePlan } from './plan-update.js';
import { namesOfRefused } from './refused-releases.js';
import type { UpdaterState } from './state.js';
import type { CallOptions, UpdaterOptions } from './updater.js';

/** Milliseconds that all metadata of one check may take: time for the largest on a slow line. */
const METADATA_MS = 300_000;

/** What a check found. */
export interface CheckedReleases {
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
  { counter, bad, refused }: UpdaterState,
  call: CallOptions,
): Promise<CheckedReleases> {
  const { deviceClass, policy, openModelFile } = options;
  const trust = await refresh(options, call);
  const { usable } = findReleases(trust, { counter, ...(deviceClass !== undefined && { deviceClass }) });
  const fingerprint = await nameOf(options.storage);
  const planned = planUpdate(
    usable,
    {
      ...{ fingerprint, counter, bad },
      refused: await namesOfRefused(usable, refused, options.programVersion),
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
