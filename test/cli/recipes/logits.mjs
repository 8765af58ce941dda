/** The recipe `points`, trained on the values before the softmax, with a metric of its own. */
import { options as points } from './points.mjs';

export { data, loss, optimizer } from './points.mjs';

export const metrics = [
  'accuracy',
  function confidence(labels, logits) {
    return labels.mul(logits.softmax()).sum(-1);
  },
];
export const options = { ...points, outputs: ['logits'], outputKind: 'logits' };
