import { planRoute } from '../chain/plan-route.js';
import { FORMAT_VERSION } from '../payload/header.js';
import type { Release } from '../release/find-releases.js';
import type { SignedFile } from '../release/statement.js';

/** A plan to update a device to a newer model. */
export interface UpdatePlan {
  /** One payload, several consecutive payloads, or the whole model. */
  readonly kind: 'direct' | 'chain' | 'full';
  /** The files, in order. */
  readonly steps: readonly Release[];
  /** Bytes to download. */
  readonly bytes: number;
  /** Fingerprints of the model before and after the update. */
  readonly base: string;
  readonly next: string;
  /** Counter of the resulting release. */
  readonly counter: number;
  /** Why this alternative was chosen, for people. */
  readonly reason: string;
  /** Signed inputs with expected outputs of the resulting release, and their path in the repository. */
  readonly golden?: { readonly file: SignedFile; readonly path: string };
  /** Bytes to download for each alternative, by kind. */
  readonly ways: Readonly<Partial<Record<UpdatePlan['kind'], number>>>;
}

/** A device's model, and what it has rejected. */
interface DeviceState {
  /** Fingerprint of the model, 32 hexadecimal digits. */
  readonly fingerprint: string;
  readonly counter: number;
  /** Fingerprints of models that were tried and rolled back. */
  readonly rejectedModels: readonly string[];
  /** Names of releases whose content was rejected earlier; they are not used. */
  readonly rejectedReleases?: ReadonlySet<string>;
}

/**
 * Plans an update to the newest reachable release with the fewest bytes to download.
 *
 * @param releases usable releases, from `findReleases`
 * @returns undefined if no newer release is reachable
 */
export function planUpdate(
  releases: readonly Release[],
  state: DeviceState,
  policy: Pick<UpdatePolicy, 'full' | 'maxBytes'> = {},
): UpdatePlan | undefined {
  const counters = [...new Set(releases.map(({ statement }) => statement.counter))].sort((a, b) => b - a);
  for (const counter of counters) {
    const goals = new Set(
      releases
        .filter(({ statement }) => statement.counter === counter)
        .map(({ statement }) => statement.next),
    );
    for (const next of goals) {
      if (next === state.fingerprint || state.rejectedModels.includes(next)) continue;
      const plan = planTo({ next, counter }, releases, { state, policy });
      if (plan !== undefined) return plan;
    }
    // The device has this release; the remaining ones are older.
    if (goals.has(state.fingerprint)) return undefined;
  }
  return undefined;
}

function planTo(
  { next, counter }: { next: string; counter: number },
  releases: readonly Release[],
  { state, policy }: { state: DeviceState; policy: Pick<UpdatePolicy, 'full' | 'maxBytes'> },
): UpdatePlan | undefined {
  const { full: mode = 'auto', maxBytes = Number.POSITIVE_INFINITY } = policy;
  const byName = new Map(releases.map((release) => [release.statement.name, release]));
  const accepted = releases.filter(({ statement }) => !state.rejectedReleases?.has(statement.name));
  const edges = accepted
    .filter(({ statement }) => statement.kind === 'update' && !state.rejectedModels.includes(statement.next))
    .filter(({ statement }) => statement.formatVersion === FORMAT_VERSION)
    .map(({ statement: { name, base, next, bytes } }) => ({ name, base: base as string, next, bytes }));
  const whole = accepted
    .filter(({ statement }) => statement.kind === 'full' && statement.next === next)
    .sort((a, b) => a.statement.bytes - b.statement.bytes)[0];
  const mayBeFull = whole !== undefined && mode !== 'never';
  const ends = {
    from: state.fingerprint,
    to: next,
    fullBytes: mayBeFull ? whole.statement.bytes : undefined,
  };
  const { routes } = planRoute(edges, ends);
  const within = routes.filter((route) => route.bytes <= maxBytes);
  const best = within.reduce<(typeof routes)[number] | undefined>(
    (a, b) => (a === undefined || b.bytes < a.bytes ? b : a),
    undefined,
  );
  if (best === undefined || best.kind === 'none' || best.kind === 'composed') return undefined;
  const steps =
    best.kind === 'full' ? [whole as Release] : best.edges.map(({ name }) => byName.get(name) as Release);
  const ways = Object.fromEntries(routes.map(({ kind, bytes }) => [kind, bytes]));
  const facts = { kind: best.kind, steps, bytes: best.bytes, base: state.fingerprint, next, counter, ways };
  return { ...facts, reason: reasonOf(facts) };
}

const WORDS = { direct: 'one payload', chain: 'consecutive payloads', full: 'the whole model' } as const;

function reasonOf({ kind, bytes, ways }: Pick<UpdatePlan, 'kind' | 'bytes' | 'ways'>): string {
  const others = Object.entries(ways).filter(([other]) => other !== kind);
  const describe = ([other, size]: [string, number]): string =>
    `${WORDS[other as UpdatePlan['kind']]} ${size}`;
  const comparison =
    others.length === 0 ? 'there is no alternative' : `instead of ${others.map(describe).join(', ')}`;
  return `${WORDS[kind]}, ${bytes} bytes: ${comparison}`;
}

/** Limits on what an updater does automatically. */
export interface UpdatePolicy {
  /**
   * Whether a whole model may be downloaded if no payload reaches the newest one or payloads are larger:
   * `auto`, only after `approve` (`ask`), or `never`; defaults to `auto`.
   */
  readonly full?: 'auto' | 'ask' | 'never';
  /** Maximum bytes to download; larger updates are not planned. */
  readonly maxBytes?: number | undefined;
  /** Called before each update; returns whether it may begin, depending on power, network or time. */
  readonly mayBegin?: (plan: UpdatePlan) => boolean | Promise<boolean>;
  /** Called before a whole model is downloaded with `full: 'ask'`. */
  readonly approve?: (plan: UpdatePlan) => boolean | Promise<boolean>;
  /** Starts without `confirm` after which a model on trial is rolled back; defaults to 3. */
  readonly maxTrialStarts?: number;
}
