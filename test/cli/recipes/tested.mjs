/** The recipe `points` with test data, names of the classes, and slices. */
import { data as points } from './points.mjs';

export { loss, metrics, optimizer, options } from './points.mjs';

export function data(context) {
  const { train, validation } = points(context);
  const test = points({ ...context, seed: 990 }).train;
  const names = Array.from({ length: 192 }, (_, i) => `point ${i}`);
  const slices = { half: names.map((_, i) => (i % 2 === 0 ? 'even' : 'odd')) };
  return { train, validation, test, labels: ['left', 'right', '<b>top</b>'], names, slices };
}
