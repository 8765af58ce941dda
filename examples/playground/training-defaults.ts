import type { TrainOptions } from './jobs.js';

/** What the form of the page begins with. */
export const DEFAULTS = { budget: '3%', epochs: 16, seed: 1 } as const;

/** @returns what a training is known by */
export function digestKey({ task, kind, budget, epochs, seed }: TrainOptions): string {
  return [task, kind, budget, epochs, seed].join(' ');
}
