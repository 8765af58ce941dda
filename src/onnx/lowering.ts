import type { OperatorContext } from './operator.js';
import type { Recorder, Value } from './recorder.js';

/** The node that is recorded, and the recorder of its steps. */
export interface LoweringContext extends OperatorContext {
  readonly recorder: Recorder;
}

/** Records an operator that chooses the layout of its values, or computes some of them once for all runs. */
export type Lowering = (inputs: readonly (Value | undefined)[], context: LoweringContext) => readonly Value[];

export type LoweringTable = Readonly<Record<string, Lowering>>;
