export { data, loss, metrics } from './points.mjs';

export const options = { epoch: 3 };
