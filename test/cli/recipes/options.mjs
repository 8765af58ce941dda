export { data, loss, metrics } from './points.mjs';

export const options = {
  epochs: 2,
  fineTune: { epochs: 1 },
  hash: { coding: 'sign', block: 2 },
};
