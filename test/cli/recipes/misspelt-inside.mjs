export { data, loss, metrics } from './points.mjs';

export const options = { hash: { codng: 'sign' } };
