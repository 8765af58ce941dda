export { data, loss, metrics } from './points.mjs';

export const options = { epochs: 100_000, fineTune: { epochs: 100_000 } };
