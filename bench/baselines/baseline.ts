import type { ArrayData } from '../../src/train/data.js';
import type { FineTuned } from '../../src/train/fine-tune.js';
import type { Values } from '../../src/train/part.js';
import type { BaseWeights } from '../../src/train/session.js';
import type { Task } from '../../src/train/task.js';

/** What every baseline starts from: what diffs get, no more and no less. */
export interface BaselineContext {
  readonly task: Task;
  readonly train: ArrayData;
  /** The model on the devices. */
  readonly base: BaseWeights;
  /** The full fine-tune: where whole models start from, what updates imitate, and the teacher. */
  readonly full: FineTuned;
  /** Bytes that the result may cost; `Infinity` for no limit. */
  readonly budgetBytes: number;
  readonly training: {
    readonly epochs: number;
    readonly batchSize: number;
    /** Unless given, each baseline uses the one that it was tuned with. */
    readonly learningRate?: number | undefined;
    readonly seed: number;
    readonly signal?: AbortSignal | undefined;
  };
}

/** What a device would have, and what that would cost. */
export interface BaselineResult {
  /** See `index.ts` for how they are counted. */
  readonly bytes: number;
  /** Every trainable tensor. */
  readonly weights: Values;
  /** What was chosen to meet the budget: density, ranks, bits. */
  readonly settings: Readonly<Record<string, number | string>>;
}

/** One way to make a model or its update small. */
export interface Baseline {
  /** Stable: `quantised-4`. */
  readonly name: string;
  /** For people. */
  readonly title: string;
  /** Whether an update of the base is shipped, or a whole model. */
  readonly isUpdate: boolean;
  /** @returns undefined when the budget cannot be met at all */
  run(context: BaselineContext): Promise<BaselineResult | undefined>;
}
