/** A diff to try. */
export interface PlannedTry<K extends string = string> {
  readonly kind: K;
  readonly budgetBytes: number;
}

/** A finished try, as far as planning needs it. */
export interface EndedTry<K extends string = string> extends PlannedTry<K> {
  /** How far the diff is behind the full fine-tune; infinite if there is no diff. */
  readonly gap: number;
  /** Size of the diff, if there is one. */
  readonly payloadBytes?: number | undefined;
  /** For an impossible budget: size of the smallest payload. */
  readonly leastBytes?: number | undefined;
}

/** Finds the best diff within a budget: every kind is tried once. */
export interface BestGoal {
  readonly type: 'best';
  readonly budgetBytes: number;
}

/** Finds the smallest diff whose gap is small enough. */
export interface SmallestGoal {
  readonly type: 'smallest';
  readonly maxGap: number;
  /** Whole bytes, `leastBytes <= startBytes <= mostBytes`. */
  readonly leastBytes: number;
  readonly startBytes: number;
  readonly mostBytes: number;
  /** The search ends when the smallest sufficient budget is known within this factor. */
  readonly precision: number;
  /** Most tries of all kinds together. */
  readonly tries: number;
}

export type Goal = BestGoal | SmallestGoal;

/** The input of a plan. */
export interface SearchState<K extends string = string> {
  readonly kinds: readonly K[];
  readonly goal: Goal;
  /** In the order they were planned. */
  readonly ended: readonly EndedTry<K>[];
}

/** Tolerance within which measured values count as equal: metrics are float32. */
const TOLERANCE = 1e-6;

/** @returns whether a try meets the gap asked for */
export function meetsGap({ gap }: { readonly gap: number }, maxGap: number): boolean {
  return gap <= maxGap + TOLERANCE;
}

/**
 * Plans the next tries. The plan depends only on the finished tries, so a search can be interrupted and
 * resumed.
 *
 * For the smallest diff, budgets go down (or up) in strides that double until one is sufficient and one is
 * not; then the interval between the two is bisected, in log bytes. A kind that misses at a budget where
 * another one succeeds is dropped, as it needs more bytes; so is one that misses without using up a larger
 * budget. Every kind is tried in the first round; when tries run short, only the kind nearest to the goal
 * continues, and while nothing is sufficient, the last tries are for the largest budget, one for each kind.
 *
 * @returns the next round, all with one budget; empty when the search is over
 */
export function nextTries<K extends string>(state: SearchState<K>): PlannedTry<K>[] {
  const { kinds, goal, ended } = state;
  if (goal.type === 'best') {
    return ended.length > 0 ? [] : kinds.map((kind) => ({ kind, budgetBytes: goal.budgetBytes }));
  }
  const rounds = listRounds(ended);
  const bracket = bracketOf(rounds, goal);
  const remaining = goal.tries - ended.length;
  if (remaining < 1) return [];
  if (rounds.length === 0)
    return kinds.slice(0, remaining).map((kind) => ({ kind, budgetBytes: goal.startBytes }));
  const budgetBytes = nextBudget(bracket, goal);
  const last = bracket.high === undefined ? untriedAtMost(state, goal) : [];
  if (budgetBytes === undefined || remaining <= last.length) return last.slice(0, remaining);
  const spare = remaining - Math.max(0, last.length - 1) - mostRoundsLeft(bracket, goal);
  return kindsLeft(kinds, rounds, goal)
    .slice(0, Math.max(1, spare + 1))
    .map((kind) => ({ kind, budgetBytes }));
}

/** @returns the largest budget for the kinds that did not have it, but for those that cannot use it */
function untriedAtMost<K extends string>(
  { kinds, ended }: SearchState<K>,
  { mostBytes }: SmallestGoal,
): PlannedTry<K>[] {
  const rounds = listRounds(ended);
  const isFullKind = (kind: K): boolean =>
    rounds.some((round, i) => round.some((one) => one.kind === kind && isFull(one, rounds[i - 1])));
  return kinds
    .filter((kind) => !ended.some((one) => one.kind === kind && one.budgetBytes >= mostBytes))
    .filter((kind) => !isFullKind(kind))
    .map((kind) => ({ kind, budgetBytes: mostBytes }));
}

/**
 * Picks the try to keep.
 *
 * @returns for the best diff the one with the smallest gap, then the fewest bytes; for the smallest diff the
 *   sufficient one with the fewest bytes, then the smallest gap; undefined if none is sufficient
 */
export function pickWinner<T extends EndedTry>(goal: Goal, ended: readonly T[]): T | undefined {
  const trained = ended.filter(({ gap }) => gap < Number.POSITIVE_INFINITY);
  const bytes = ({ payloadBytes = Number.POSITIVE_INFINITY }: T): number => payloadBytes;
  if (goal.type === 'best') {
    return sorted(trained, (a, b) => (sameGap(a, b) ? bytes(a) - bytes(b) : a.gap - b.gap))[0];
  }
  const good = trained.filter((one) => meetsGap(one, goal.maxGap));
  return sorted(good, (a, b) => bytes(a) - bytes(b) || a.gap - b.gap)[0];
}

/** @returns the trained try with the smallest gap */
export function nearestTry<T extends EndedTry>(ended: readonly T[]): T | undefined {
  return sorted(ended, byGap).find(({ gap }) => gap < Number.POSITIVE_INFINITY);
}

function sameGap(a: EndedTry, b: EndedTry): boolean {
  return Math.abs(a.gap - b.gap) <= TOLERANCE;
}

/** Compares infinite gaps as equal, as their difference is NaN. */
function byGap(a: EndedTry, b: EndedTry): number {
  return a.gap === b.gap ? 0 : a.gap - b.gap;
}

function sorted<T>(items: readonly T[], compare: (a: T, b: T) => number): T[] {
  return [...items].sort(compare);
}

function listRounds<K extends string>(ended: readonly EndedTry<K>[]): EndedTry<K>[][] {
  const rounds: EndedTry<K>[][] = [];
  for (const one of ended) {
    const last = rounds.at(-1);
    if (last?.[0]?.budgetBytes === one.budgetBytes) last.push(one);
    else rounds.push([one]);
  }
  return rounds;
}

/** The kinds that can still win, nearest to the goal in the last round first. */
function kindsLeft<K extends string>(
  kinds: readonly K[],
  rounds: readonly EndedTry<K>[][],
  { maxGap }: SmallestGoal,
): readonly K[] {
  let left = kinds;
  let isFound = false;
  for (const [i, round] of rounds.entries()) {
    const good = round.filter((one) => meetsGap(one, maxGap));
    isFound ||= good.length > 0;
    const growing = isFound ? round : round.filter((one) => !isFull(one, rounds[i - 1]));
    left = sorted(good.length > 0 ? good : growing, byGap).map(({ kind }) => kind);
  }
  return left;
}

/** A diff that is not larger than with a smaller budget already changes everything its kind can. */
function isFull({ kind, payloadBytes = 0 }: EndedTry, before: readonly EndedTry[] = []): boolean {
  const bytes = before.find((one) => one.kind === kind)?.payloadBytes;
  return bytes !== undefined && payloadBytes > 0 && payloadBytes <= bytes;
}

/** What the rounds so far show about the budget needed. */
interface Bracket {
  /** The largest insufficient budget below `high`. */
  readonly low: number | undefined;
  /** The smallest sufficient budget. */
  readonly high: number | undefined;
  readonly rounds: number;
}

function bracketOf(rounds: readonly EndedTry[][], { maxGap }: SmallestGoal): Bracket {
  const good = rounds.map((round) => round.filter((one) => meetsGap(one, maxGap)));
  const needed = good.flat().map(({ budgetBytes, payloadBytes = budgetBytes }) => {
    return Math.min(budgetBytes, payloadBytes);
  });
  const high = needed.length > 0 ? Math.min(...needed) : undefined;
  const missed = rounds
    .filter((_, i) => good[i]?.length === 0)
    .map((round) => Math.min(...round.map(missedBytes)))
    .filter((bytes) => bytes < (high ?? Number.POSITIVE_INFINITY));
  return { high, low: missed.length > 0 ? Math.max(...missed) : undefined, rounds: rounds.length };
}

/** @returns the largest budget that the try shows to be insufficient */
function missedBytes({ budgetBytes, leastBytes = 0 }: EndedTry): number {
  return Math.max(budgetBytes, leastBytes - 1);
}

function nextBudget({ low, high, rounds }: Bracket, goal: SmallestGoal): number | undefined {
  const { leastBytes, mostBytes, precision } = goal;
  if (low === undefined && high === undefined) return goal.startBytes;
  if (high === undefined) return strideUp(low as number, 2 ** rounds, goal);
  if (high / Math.max(low ?? 0, leastBytes) <= precision) return undefined;
  if (low === undefined) {
    const down = Math.floor(high / 2 ** rounds);
    return down <= leastBytes * precision ? leastBytes : down;
  }
  const middle = Math.round(Math.sqrt(low * high));
  return middle > low && middle < high && middle <= mostBytes ? middle : undefined;
}

function strideUp(low: number, stride: number, { mostBytes, precision }: SmallestGoal): number | undefined {
  if (low >= mostBytes) return undefined;
  return low * stride * precision >= mostBytes ? mostBytes : low * stride;
}

/** @returns the most rounds still needed, including this one, for any outcome */
function mostRoundsLeft(bracket: Bracket, goal: SmallestGoal): number {
  const budget = nextBudget(bracket, goal);
  if (budget === undefined) return 0;
  const rounds = bracket.rounds + 1;
  const isGood = mostRoundsLeft({ ...bracket, high: budget, rounds }, goal);
  const isNot = mostRoundsLeft({ ...bracket, low: budget, rounds }, goal);
  return 1 + Math.max(isGood, isNot);
}
