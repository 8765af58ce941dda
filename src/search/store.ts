import type { DiffKind } from '../recipe/index.js';
import type { Outcome, SweptDiff } from '../sweep/index.js';
import type { PlannedTry } from './plan.js';

/** What is known of a diff without its payload. */
export interface TriedDiff extends Pick<SweptDiff, 'share' | 'base' | 'next' | 'metrics'> {
  readonly payloadBytes: number;
}

/** Where tries are kept, so that a search can be broken off and gone on with. */
export interface TryStore {
  /** @returns what is known of a try that was kept, here or in an earlier search; nothing when it must be trained */
  find(planned: PlannedTry<DiffKind>): Promise<TriedDiff | undefined>;
  /** Takes a try that has ended. */
  keep(planned: PlannedTry<DiffKind>, outcome: Outcome): Promise<void>;
  /** @returns the payload of a try that `find` finds */
  payload(planned: PlannedTry<DiffKind>): Promise<Uint8Array>;
}

/** @returns what is known of a diff without its payload */
export function describeDiff({ payload, share, base, next, metrics }: SweptDiff): TriedDiff {
  return { payloadBytes: payload.length, share, base, next, metrics };
}

/** Keeps tries in memory. */
export function createMemoryTries(): TryStore {
  const diffs = new Map<string, SweptDiff>();
  const nameOf = ({ kind, budgetBytes }: PlannedTry): string => `${kind} ${budgetBytes}`;
  return {
    async find(planned) {
      const diff = diffs.get(nameOf(planned));
      return diff && describeDiff(diff);
    },
    async keep(planned, outcome) {
      if (outcome.status === 'trained') diffs.set(nameOf(planned), outcome.diff);
    },
    async payload(planned) {
      const diff = diffs.get(nameOf(planned));
      if (diff === undefined)
        throw new RangeError(`No ${planned.kind} diff of ${planned.budgetBytes} bytes is kept`);
      return diff.payload;
    },
  };
}
