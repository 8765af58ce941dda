import type { OperatorTable } from './operator.js';
import { ACTIVATIONS } from './ops/activation.js';
import { ARITHMETIC } from './ops/arithmetic.js';
import { MATRICES } from './ops/matrix.js';

/** Operators on values in the layout of ONNX, by name; those of other domains as `domain:name`. */
export const OPERATORS: OperatorTable = { ...ARITHMETIC, ...ACTIVATIONS, ...MATRICES };

/** Operators that compute each element on its own, with broadcasting, in any layout. */
export const ELEMENTWISE: ReadonlySet<string> = new Set([
  ...Object.keys(ARITHMETIC),
  ...Object.keys(ACTIVATIONS),
]);
