import {
  MAX_CHAIN_STEPS,
  planRoute,
  type Route,
  type RouteEdge,
  reachableModels,
} from '../chain/plan-route.js';
import { NeuralDiffError } from '../model/errors.js';
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
  /** IDs of the keys that signed the repository's list of releases, and its version. */
  readonly signedBy?: { readonly keys: readonly string[]; readonly version: number };
  /** Bytes to download for each alternative, by kind. */
  readonly ways: Readonly<Partial<Record<UpdatePlan['kind'], number>>>;
}

/** A device's model, and what it has rejected. */
export interface DeviceState {
  /** Fingerprint of the model, 32 hexadecimal digits. */
  readonly fingerprint: string;
  /** Models that were tried and rolled back. */
  readonly rejectedModels: readonly { readonly model: string }[];
  /** Names of releases whose content was rejected earlier, and the codes; they are not used. */
  readonly rejectedReleases?: ReadonlyMap<string, string>;
  /** Names of releases whose rollout the device is not in; they are steps to others at most. */
  readonly waiting?: ReadonlySet<string>;
}

/** What a policy says about routes. */
export type RoutePolicy = Pick<UpdatePolicy, 'full' | 'maxBytes'>;

/** A release that is newer than the device's. */
export interface Goal {
  readonly counter: number;
  /** Fingerprint of its model. */
  readonly next: string;
  /** Bytes of the smallest route, if any. */
  readonly bytes: number | undefined;
}

/** The update that a device can take, if any, and the newest release, if the device cannot take that one. */
interface PlannedUpdate {
  readonly plan?: UpdatePlan;
  readonly missed?: Goal;
}

/**
 * Plans an update to the newest reachable release with the fewest bytes to download.
 *
 * @param releases usable releases, from `findReleases`
 * @returns a plan if a newer release is reachable with at most `MAX_CHAIN_STEPS` payloads or the whole model;
 *   the newest release, if the plan does not lead there; neither if the model is current
 */
export function planUpdate(
  releases: readonly Release[],
  state: DeviceState,
  policy: RoutePolicy = {},
): PlannedUpdate {
  const { fingerprint, rejectedModels } = state;
  const { maxBytes = Number.POSITIVE_INFINITY } = policy;
  const ways = waysOf(releases, state, policy);
  const bytes = reachableModels(ways.edges, fingerprint);
  const least = (next: string): number | undefined => {
    const sizes = [bytes.get(next), ways.wholes.get(next)?.statement.bytes];
    return sizes.reduce((a, b) => (a !== undefined && (b === undefined || a <= b) ? a : b));
  };
  let missed: Goal | undefined;
  for (const [counter, models] of goalsOf(releases, state)) {
    // The device has this release; the remaining ones are older.
    if (models.has(fingerprint)) break;
    for (const [next, isOpen] of models) {
      if (!isOpen) continue;
      const isRejected = rejectedModels.some(({ model }) => model === next);
      const goal = { counter, next, bytes: isRejected ? undefined : least(next) };
      if (goal.bytes !== undefined && goal.bytes <= maxBytes) {
        const plan = planTo({ next, counter, missed }, ways, { fingerprint, maxBytes });
        return { plan, ...(missed && { missed }) };
      }
      missed ??= goal;
    }
  }
  return missed ? { missed } : {};
}

/** @returns the models of each release, newest first, and whether the device may have them already */
function goalsOf(
  releases: readonly Release[],
  { waiting }: DeviceState,
): [number, ReadonlyMap<string, boolean>][] {
  const goals = new Map<number, Map<string, boolean>>();
  for (const { statement } of releases) {
    const { name, counter, next } = statement;
    const models = goals.get(counter) ?? new Map<string, boolean>();
    goals.set(counter, models.set(next, models.get(next) || !waiting?.has(name)));
  }
  return [...goals].sort(([a], [b]) => b - a);
}

/** The files that a device may use. */
interface Ways {
  readonly byName: ReadonlyMap<string, Release>;
  readonly edges: readonly RouteEdge[];
  /** The smallest whole model of each fingerprint. */
  readonly wholes: ReadonlyMap<string, Release>;
}

/** @returns the payloads among releases as edges; whole models lead there from anywhere */
export function edgesOf(releases: readonly Release[]): RouteEdge[] {
  return releases
    .filter(({ statement }) => statement.kind === 'update')
    .map(({ statement: { name, base, next, bytes } }) => ({ name, base: base as string, next, bytes }));
}

function waysOf(releases: readonly Release[], state: DeviceState, { full }: RoutePolicy): Ways {
  const rejected = new Set(state.rejectedModels.map(({ model }) => model));
  const accepted = releases.filter(({ statement }) => !state.rejectedReleases?.has(statement.name));
  const payloads = accepted.filter(({ statement: { next } }) => !rejected.has(next));
  const edges = edgesOf(payloads.filter(({ statement }) => statement.formatVersion === FORMAT_VERSION));
  const wholes = new Map<string, Release>();
  for (const release of full === 'never' ? [] : accepted) {
    const { kind, next, bytes } = release.statement;
    const known = wholes.get(next);
    if (kind === 'full' && !(known && known.statement.bytes <= bytes)) wholes.set(next, release);
  }
  return { byName: new Map(releases.map((release) => [release.statement.name, release])), edges, wholes };
}

/**
 * Checks the steps of a plan: each is for the result of the one before, from the plan's base to its next,
 * and no model is met twice.
 *
 * @throws NeuralDiffError `broken-chain`, also for more than `MAX_CHAIN_STEPS` payloads
 */
export function checkSteps({ steps, base, next }: UpdatePlan): void {
  const refuse = (problem: string): NeuralDiffError =>
    new NeuralDiffError('broken-chain', `Cannot use plan from ${base} to ${next}: ${problem}`);
  if (steps.length > MAX_CHAIN_STEPS)
    throw refuse(`expected at most ${MAX_CHAIN_STEPS} payloads, got ${steps.length}`);
  const models = new Set([base]);
  let at = base;
  for (const { statement } of steps) {
    const from = statement.kind === 'full' ? at : statement.base;
    if (from !== at) throw refuse(`expected "${statement.name}" to be for ${at}, got ${from}`);
    at = statement.next;
    if (models.has(at)) throw refuse(`"${statement.name}" leads back to ${at}`);
    models.add(at);
  }
  if (at !== next) throw refuse(`its last payload leads to ${at}`);
}

/** Plans an update to a model that is known to be reachable. */
function planTo(
  { next, counter, missed }: { next: string; counter: number; missed: Goal | undefined },
  { byName, edges, wholes }: Ways,
  { fingerprint, maxBytes }: { fingerprint: string; maxBytes: number },
): UpdatePlan {
  const whole = wholes.get(next);
  const ends = { from: fingerprint, to: next, fullBytes: whole?.statement.bytes };
  const { routes } = planRoute(edges, ends);
  const within = routes.filter((route) => route.bytes <= maxBytes) as (Route & Pick<UpdatePlan, 'kind'>)[];
  const best = within.reduce((a, b) => (b.bytes < a.bytes ? b : a));
  const steps =
    best.kind === 'full' ? [whole as Release] : best.edges.map(({ name }) => byName.get(name) as Release);
  const ways = Object.fromEntries(routes.map(({ kind, bytes }) => [kind, bytes]));
  const facts = { kind: best.kind, steps, bytes: best.bytes, base: fingerprint, next, counter, ways };
  return { ...facts, reason: reasonOf(facts, missed) };
}

const WORDS = { direct: 'one payload', chain: 'consecutive payloads', full: 'the whole model' } as const;

function reasonOf(
  { kind, bytes, ways }: Pick<UpdatePlan, 'kind' | 'bytes' | 'ways'>,
  missed: Goal | undefined,
): string {
  const others = Object.entries(ways).filter(([other]) => other !== kind);
  const describe = ([other, size]: [string, number]): string =>
    `${WORDS[other as UpdatePlan['kind']]} ${size}`;
  const comparison =
    others.length === 0
      ? `there is no alternative of at most ${MAX_CHAIN_STEPS} payloads`
      : `instead of ${others.map(describe).join(', ')}`;
  const older = missed === undefined ? '' : `; release ${missed.counter} is out of reach`;
  return `${WORDS[kind]}, ${bytes} bytes: ${comparison}${older}`;
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
