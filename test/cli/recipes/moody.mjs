import { data as points } from './points.mjs';

/** Seed 1 is fine, seed 2 throws, seed 3 gives what no training survives, seed 4 takes for ever. */
export function data(context) {
  process.stdout.write('a word of the recipe\n');
  if (context.seed === 2) throw new Error('not today');
  if (context.seed === 4) return new Promise((resolve) => setTimeout(resolve, 600_000));
  const { train, validation } = points(context);
  return { train: context.seed === 3 ? { ...train, ys: train.ys.mul(3e38) } : train, validation };
}

export { loss, metrics, optimizer, options } from './points.mjs';
