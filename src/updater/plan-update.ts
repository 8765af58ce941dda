import { planRoute } from '../chain/plan-route.js';
import { FORMAT_VERSION } from '../payload/header.js';
import type { Release } from '../release/find-releases.js';
import type { SignedFile } from '../release/statement.js';

/** How a device comes to a newer model. */
export interface UpdatePlan {
  /** One payload, several in a row, or the whole model. */
  readonly kind: 'direct' | 'chain' | 'full';
  /** The files, in order. */
  readonly steps: readonly Release[];
  /** Bytes to download. */
  readonly bytes: number;
  /** Fingerprints of the model now and afterwards. */
  readonly base: string;
  readonly next: string;
  /** Counter of the release that is reached. */
  readonly counter: number;
  /** In words, why this way and not another. */
  readonly reason: string;
  /** Signed inputs with expected outputs of the release that is reached, and where in the repository they are. */
  readonly golden?: { readonly file: SignedFile; readonly path: string };
  /** Bytes of the ways there are, by kind. */
  readonly ways: Readonly<Partial<Record<UpdatePlan['kind'], number>>>;
}

/** What a device has, and what it does not want again. */
interface DeviceState {
  /** Fingerprint of the model, 32 hexadecimal digits. */
  readonly fingerprint: string;
  readonly counter: number;
  /** Fingerprints of models that were tried and rolled back. */
  readonly rejectedModels: readonly string[];
  /** Names of releases that were refused for what is in them: no way leads over them. */
  readonly rejectedReleases?: ReadonlySet<string>;
}

/**
 * Plans the way to the newest release that can be reached, the cheapest in bytes.
 *
 * @param releases usable ones, from `findReleases`
 * @returns undefined where nothing newer can be reached
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
    // The newest release is what the device has: older ones lead back.
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
  const passable = releases.filter(({ statement }) => !state.rejectedReleases?.has(statement.name));
  const edges = passable
    .filter(({ statement }) => statement.kind === 'update' && !state.rejectedModels.includes(statement.next))
    // Payloads of formats to come are for devices to come.
    .filter(({ statement }) => statement.formatVersion === FORMAT_VERSION)
    .map(({ statement: { name, base, next: to, bytes } }) => ({
      name,
      base: base as string,
      next: to,
      bytes,
    }));
  const whole = passable
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

const WORDS = { direct: 'one payload', chain: 'payloads in a row', full: 'the whole model' } as const;

function reasonOf({ kind, bytes, ways }: Pick<UpdatePlan, 'kind' | 'bytes' | 'ways'>): string {
  const others = Object.entries(ways).filter(([other]) => other !== kind);
  const named = ([other, size]: [string, number]): string => `${WORDS[other as UpdatePlan['kind']]} ${size}`;
  const beside = others.length === 0 ? 'there is no other way' : `instead of ${others.map(named).join(', ')}`;
  return `${WORDS[kind]}, ${bytes} bytes: ${beside}`;
}

/** What an updater may do by itself. */
export interface UpdatePolicy {
  /**
   * Whether a whole model may be downloaded where no payload leads to the newest one, or payloads are larger: `auto`, after
   * `approve` alone (`ask`), or `never`; default `auto`.
   */
  readonly full?: 'auto' | 'ask' | 'never';
  /** Bytes of the largest download; larger ones are not planned. */
  readonly maxBytes?: number | undefined;
  /** Says whether a download may begin now: power, network, hour. Asked before each update. */
  readonly mayBegin?: (plan: UpdatePlan) => boolean | Promise<boolean>;
  /** Asked before a whole model is downloaded under `ask`. */
  readonly approve?: (plan: UpdatePlan) => boolean | Promise<boolean>;
  /** Starts on trial, without `confirm`, after which the model is rolled back; default 3. */
  readonly maxTrialStarts?: number;
}
