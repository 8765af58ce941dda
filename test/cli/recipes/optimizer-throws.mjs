export { data, loss, metrics, options } from './points.mjs';

export function optimizer() {
  throw new Error('no optimism');
}
