/** The recipe `points` with functions as loss and metrics, and its own choice of weights. */
import { options as points } from './points.mjs';

export { data, optimizer } from './points.mjs';

export const loss = (labels, output) => labels.mul(output.add(1e-9).log()).sum(-1).neg();
export const metrics = ['accuracy'];
export const options = { ...points, freeze: ['hidden*'] };
