import type { GridName } from '../../../model/grids.js';

/** What a tensor takes on a grid, and what that does to the loss. */
export interface GridOption {
  readonly grid: GridName;
  readonly bytes: number;
  /**
   * Loss of the model with this tensor alone on the grid, less that of the model as it is; absent if its
   * outputs were unusable.
   */
  readonly lossChange?: number;
}

/** A tensor, as it is and on every grid that was measured. */
export interface TensorOptions {
  readonly tensor: string;
  /** As it is. */
  readonly bytes: number;
  readonly options: readonly GridOption[];
}

/** A step of a tensor from one grid to a coarser one. */
export interface Move {
  readonly tensor: string;
  readonly grid: GridName;
  readonly savedBytes: number;
  readonly addedLoss: number;
}

/** A point of a tensor: bytes saved, loss added. */
interface Point {
  readonly grid?: GridName;
  readonly saved: number;
  readonly cost: number;
}

/**
 * Orders steps to coarser grids by added loss for each saved byte, the cheapest first: the greedy order of a
 * knapsack with one choice for each tensor. Grids that another one, or a mixture of two, beats are left out.
 * Losses below that of the model as it is count as equal to it: they are chance.
 *
 * Source: H. Kellerer, U. Pferschy, D. Pisinger, "Knapsack Problems", 2004, chapter 11.
 *
 * @returns for each tensor its steps in order of size, mixed with those of others
 */
export function rankMoves(tensors: readonly TensorOptions[]): Move[] {
  const steps = tensors.flatMap((each, order) =>
    movesOf(each).map((move, step) => ({ move, order, step, price: move.addedLoss / move.savedBytes })),
  );
  return steps
    .sort(
      (a, b) =>
        a.price - b.price || a.step - b.step || b.move.savedBytes - a.move.savedBytes || a.order - b.order,
    )
    .map(({ move }) => move);
}

/** @returns the steps along the lower convex hull of a tensor's points */
function movesOf({ tensor, bytes, options }: TensorOptions): Move[] {
  const points = options.flatMap(({ grid, bytes: own, lossChange }): Point[] =>
    lossChange === undefined ? [] : [{ grid, saved: bytes - own, cost: Math.max(0, lossChange) }],
  );
  const moves: Move[] = [];
  let from: Point = { saved: 0, cost: 0 };
  for (;;) {
    const next = cheapest(from, points);
    if (next === undefined) return moves;
    const [savedBytes, addedLoss] = [next.saved - from.saved, Math.max(0, next.cost - from.cost)];
    moves.push({ tensor, grid: next.grid as GridName, savedBytes, addedLoss });
    from = next;
  }
}

/** @returns the point that adds least for each byte that it saves; of equals the one that saves most */
function cheapest(from: Point, points: readonly Point[]): Point | undefined {
  const priceOf = (point: Point): number => (point.cost - from.cost) / (point.saved - from.saved);
  return points
    .filter(({ saved }) => saved > from.saved)
    .sort((a, b) => priceOf(a) - priceOf(b) || b.saved - a.saved)[0];
}

/** @returns the grids of tensors after some moves, made in order; those without one stay as they are */
export function gridsAfter(moves: readonly Move[]): Map<string, GridName> {
  return new Map(moves.map(({ tensor, grid }) => [tensor, grid]));
}

/**
 * Finds how many moves may be made, by bisection. Which numbers are tried before an answer differs does not
 * depend on the contract, so that a looser one never allows fewer moves, whatever is measured.
 *
 * @param isWithin measures some number of moves, from 1 on; none is taken to be within the contract
 */
export async function countWithin(
  moves: number,
  isWithin: (count: number) => Promise<boolean>,
): Promise<number> {
  let [least, most] = [0, moves];
  while (least < most) {
    const middle = Math.ceil((least + most) / 2);
    if (await isWithin(middle)) least = middle;
    else most = middle - 1;
  }
  return least;
}
