import { expect } from 'vitest';
import { type Examples, type Split, sizeOf } from '../../../examples/common/staged-examples.js';

const SPLITS = ['train', 'validation', 'test'] as const;

/** Checks what every source of stages promises: each stage holds what the stages before it hold, first. */
export function expectCumulative(stages: readonly Split[]): void {
  for (const split of SPLITS) {
    stages.forEach((stage, i) => {
      const own = stage[split];
      expect(own.features.length).toBe(own.count * sizeOf(own.shape));
      expect(own.labels.length).toBe(own.count);
      const before = stages[i - 1]?.[split];
      if (before === undefined) return;
      expect(own.count).toBeGreaterThan(before.count);
      expect(own.labels.subarray(0, before.count)).toEqual(before.labels);
    });
  }
}

/** @returns how many different labels some examples have */
export function countLabels({ labels }: Examples): number {
  return new Set(labels).size;
}

/** @returns each example's features as text, to be compared */
export function printExamples({ features, shape, count }: Examples): string[] {
  const size = sizeOf(shape);
  return Array.from({ length: count }, (_, i) => features.subarray(i * size, (i + 1) * size).join());
}
