import type { TrainedDiff } from '../src/train/train-diff.js';
import { formatBytes, formatShare } from './io.js';

/** @returns a trained diff in words */
export function describeTrained(
  diff: Pick<TrainedDiff, 'share' | 'base' | 'next' | 'metrics'> & { payloadBytes: number },
): string[] {
  const { payloadBytes, share, metrics, base, next } = diff;
  const models = ['base', 'full', 'diff'] as const;
  return [
    `payload  ${formatBytes(payloadBytes)}, ${formatShare(share)} of the float32 model`,
    `base     ${base}`,
    `next     ${next}`,
    ...Object.keys(metrics.diff).map(
      (name) => `${name}: ${models.map((who) => `${who} ${metrics[who][name]?.toFixed(4)}`).join('  ')}`,
    ),
  ];
}
