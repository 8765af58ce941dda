/** A way from one node to another. */
export interface Edge {
  readonly base: string;
  readonly next: string;
}

/** A way over several edges. */
export interface Path<E extends Edge> {
  readonly edges: readonly E[];
  readonly cost: number;
}

/** The best way to a node so far; its last edge leads back to the start. */
interface Reached<E extends Edge> {
  readonly cost: number;
  readonly steps: number;
  readonly last: E | undefined;
}

/**
 * Finds the cheapest path; of several, one of the fewest edges; of several, that of the edges that come first.
 *
 * @param edges may close circles
 * @param ends two nodes that differ
 * @param costOf at least 0
 * @returns nothing when there is none
 */
export function findPath<E extends Edge>(
  edges: readonly E[],
  { from, to }: { from: string; to: string },
  costOf: (edge: E) => number,
): Path<E> | undefined {
  const leaving = new Map<string, E[]>();
  for (const edge of edges) leaving.set(edge.base, [...(leaving.get(edge.base) ?? []), edge]);
  const reached = new Map<string, Reached<E>>([[from, { cost: 0, steps: 0, last: undefined }]]);
  const open = new Set([from]);
  for (let node = nearest(open, reached); node !== undefined; node = nearest(open, reached)) {
    if (node === to) return trace(reached, to);
    open.delete(node);
    const { cost, steps } = reached.get(node) as Reached<E>;
    for (const edge of leaving.get(node) ?? []) {
      const found = { cost: cost + costOf(edge), steps: steps + 1, last: edge };
      const known = reached.get(edge.next);
      if (known && !isNearer(found, known)) continue;
      reached.set(edge.next, found);
      open.add(edge.next);
    }
  }
  return undefined;
}

function isNearer<E extends Edge>(a: Reached<E>, b: Reached<E>): boolean {
  return a.cost < b.cost || (a.cost === b.cost && a.steps < b.steps);
}

function nearest<E extends Edge>(
  open: ReadonlySet<string>,
  reached: ReadonlyMap<string, Reached<E>>,
): string | undefined {
  let best: string | undefined;
  for (const node of open) {
    const isBest =
      best === undefined || isNearer(reached.get(node) as Reached<E>, reached.get(best) as Reached<E>);
    if (isBest) best = node;
  }
  return best;
}

function trace<E extends Edge>(reached: ReadonlyMap<string, Reached<E>>, to: string): Path<E> {
  const edges: E[] = [];
  for (let edge = reached.get(to)?.last; edge; edge = reached.get(edge.base)?.last) edges.unshift(edge);
  return { edges, cost: (reached.get(to) as Reached<E>).cost };
}
