import type { ReleaseStatement } from '../release/statement.js';
import { groupOf, isSkip, nameOfSkip } from './arrange-targets.js';

/** A payload that replaces several. */
export interface Skip {
  readonly name: string;
  /** Fingerprint of its base, 32 hexadecimal digits. */
  readonly base: string;
  /** The releases that it composes, in order. */
  readonly parts: readonly ReleaseStatement[];
}

/** The payloads to release with a new one, and those that they replace. */
interface SkipPlan {
  readonly skips: readonly Skip[];
  /** Names of releases. */
  readonly superseded: readonly string[];
}

/**
 * Plans payloads that keep routes short: with those of each release, any device reaches release n with at
 * most log2(n) + 1 payloads, and each release needs at most as many.
 *
 * Numbered from 0, release n gets a payload from n − 2^j for each power of two that divides n, which stay,
 * and one from n rounded down to each other power of two, which the next release replaces. A device goes
 * from each number to the one with its lowest bit added, as long as that is not above n, and then to n.
 *
 * Source: P. Fenwick, "A New Data Structure for Cumulative Frequency Tables", 1994, for the intervals.
 *
 * @param present the releases of the repository
 * @param release the new payload
 */
export function planSkips(present: readonly ReleaseStatement[], release: ReleaseStatement): SkipPlan {
  const own = present.filter((each) => each.kind === 'update' && groupOf(each) === groupOf(release));
  const steps = [
    ...stepsTo(
      release,
      own.filter((each) => !isSkip(each)),
    ),
    release,
  ];
  const models = steps.map(({ base }) => base as string);
  const skips = sourcesOf(steps.length).map((source) => {
    const base = models[source] as string;
    return { name: nameOfSkip(base, release.next), base, parts: steps.slice(source) };
  });
  const bases = new Set(skips.map(({ base }) => base));
  const superseded = own.filter((each) => {
    const [from, to] = [each.base, each.next].map((model) => models.indexOf(model as string));
    return isSkip(each) && bases.has(each.base as string) && !isKept(from as number, to as number);
  });
  return { skips, superseded: superseded.map(({ name }) => name) };
}

/** @returns the numbers of models that get a payload to the newest one, other than the one before it */
function sourcesOf(newest: number): number[] {
  const sources = new Set<number>();
  for (let power = 2; power < 2 * newest; power *= 2) sources.add(newest - (newest % power || power));
  sources.delete(newest - 1);
  return [...sources].filter((source) => source >= 0);
}

/** @returns whether a payload between models with these numbers is of use whatever the newest one is */
function isKept(from: number, to: number): boolean {
  const length = to - from;
  return to < 0 || from < 0 || (Math.log2(length) % 1 === 0 && to % length === 0);
}

/** @returns the payloads that lead to the base of a release one by one, oldest first */
function stepsTo(release: ReleaseStatement, payloads: readonly ReleaseStatement[]): ReleaseStatement[] {
  const steps: ReleaseStatement[] = [];
  const seen = new Set([release.next]);
  for (let at = release.base; at !== undefined && !seen.has(at); ) {
    seen.add(at);
    const step = payloads.find(({ next }) => next === at);
    if (step) steps.unshift(step);
    at = step?.base;
  }
  return steps;
}
