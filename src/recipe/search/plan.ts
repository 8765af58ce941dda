/** A diff to try. */
export interface PlannedTry<K extends string = string> {
  readonly kind: K;
  readonly budgetBytes: number;
}

/** A try that has ended, as far as a plan reads it. */
export interface EndedTry<K extends string = string> extends PlannedTry<K> {
  /** How far the diff is behind the full fine-tune; infinite when there is none. */
  readonly gap: number;
  /** Of the diff that there is. */
  readonly payloadBytes?: number | undefined;
  /** For a budget that was impossible: what the smallest payload takes. */
  readonly leastBytes?: number | undefined;
}

/** The best diff within a budget: every kind is tried once. */
export interface BestGoal {
  readonly type: 'best';
  readonly budgetBytes: number;
}

/** The smallest diff whose gap is small enough. */
export interface SmallestGoal {
  readonly type: 'smallest';
  readonly maxGap: number;
  /** Whole bytes, `leastBytes <= startBytes <= mostBytes`. */
  readonly leastBytes: number;
  readonly startBytes: number;
  readonly mostBytes: number;
  /** The search ends when a budget this many times smaller than the smallest that will do is known not to. */
  readonly precision: number;
  /** Most tries of all kinds together. */
  readonly tries: number;
}

export type Goal = BestGoal | SmallestGoal;

/** What a plan goes by. */
export interface SearchState<K extends string = string> {
  readonly kinds: readonly K[];
  readonly goal: Goal;
  /** In the order in which they were planned. */
  readonly ended: readonly EndedTry<K>[];
}

/** What measured values may differ by and still be equal: metrics are float32. */
const TOLERANCE = 1e-6;

/** @returns whether a try does what is asked */
export function meetsGap({ gap }: { readonly gap: number }, maxGap: number): boolean {
  return gap <= maxGap + TOLERANCE;
}

/**
 * Says what to try next. The same tries give the same answer, so a search can be broken off and gone on with.
 *
 * For the smallest diff, budgets go down (or up) in strides that double until one will do and one will not; then the gap
 * between these two is halved, in log bytes. A kind that misses at a budget where another one does is not tried again:
 * it needs more bytes; nor is one that misses and fills no larger budget. When tries run short, the kind that was nearest goes on alone.
 *
 * @returns the next round, all of one budget; nothing when the search is over
 */
export function nextTries<K extends string>(state: SearchState<K>): PlannedTry<K>[] {
  const { kinds, goal, ended } = state;
  if (goal.type === 'best') {
    return ended.length > 0 ? [] : kinds.map((kind) => ({ kind, budgetBytes: goal.budgetBytes }));
  }
  const rounds = listRounds(ended);
  const bracket = bracketOf(rounds, goal);
  const budgetBytes = nextBudget(bracket, goal);
  const remaining = goal.tries - ended.length;
  if (budgetBytes === undefined || remaining < 1) return [];
  const spare = remaining - mostRoundsLeft(bracket, goal);
  return kindsLeft(kinds, rounds, goal)
    .slice(0, Math.max(1, spare + 1))
    .map((kind) => ({ kind, budgetBytes }));
}

/**
 * Picks the try to keep.
 *
 * @returns for the best diff the one with the smallest gap, then the fewest bytes; for the smallest the one with the
 * fewest bytes that will do, then the smallest gap; nothing when none will do
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

/** Infinite gaps are equal, and their difference is no number. */
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

/** The kinds that may still win, those first that were nearest in the last round. */
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

/** A diff that takes no more bytes than with a smaller budget changes all that its kind can. */
function isFull({ kind, payloadBytes = 0 }: EndedTry, before: readonly EndedTry[] = []): boolean {
  const bytes = before.find((one) => one.kind === kind)?.payloadBytes;
  return bytes !== undefined && payloadBytes > 0 && payloadBytes <= bytes;
}

/** What the rounds so far say of the budget that is needed. */
interface Bracket {
  /** The largest budget below `high` that will not do. */
  readonly low: number | undefined;
  /** The smallest that will do. */
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

/** What the try shows to be too little. */
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

/** @returns rounds to come, this one included, however they turn out */
function mostRoundsLeft(bracket: Bracket, goal: SmallestGoal): number {
  const budget = nextBudget(bracket, goal);
  if (budget === undefined) return 0;
  const rounds = bracket.rounds + 1;
  const isGood = mostRoundsLeft({ ...bracket, high: budget, rounds }, goal);
  const isNot = mostRoundsLeft({ ...bracket, low: budget, rounds }, goal);
  return 1 + Math.max(isGood, isNot);
}
