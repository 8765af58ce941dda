import type { DiffComparison } from '../common/result.js';

/** What the demo prints with `--json`. */
export interface DemoResult extends DiffComparison {
  /** Pictures of the update. */
  readonly pictures: { readonly train: number; readonly test: number };
}
