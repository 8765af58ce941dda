import type { OperatorTable } from './operator.js';
import { ACTIVATIONS } from './ops/activation.js';
import { ARITHMETIC } from './ops/arithmetic.js';
import { CASTS } from './ops/cast.js';
import { DEQUANTISERS } from './ops/dequantise.js';
import { GATHERS } from './ops/gather.js';
import { GENERATORS } from './ops/generate.js';
import { LOGIC } from './ops/logic.js';
import { MATRICES } from './ops/matrix.js';
import { ORDERS } from './ops/order.js';
import { PADS } from './ops/pad.js';
import { PARTS } from './ops/parts.js';
import { QUANTISED } from './ops/quantised.js';
import { RECURRENT } from './ops/recurrent.js';
import { REDUCTIONS } from './ops/reduce.js';
import { RESIZES } from './ops/resize.js';
import { SCATTERS } from './ops/scatter.js';
import { SHAPES } from './ops/shape.js';

/** Operators on values in the layout of ONNX, by name; those of other domains as `domain:name`. */
export const OPERATORS: OperatorTable = {
  ...{ ...ARITHMETIC, ...ACTIVATIONS, ...LOGIC, ...CASTS, ...MATRICES },
  ...{ ...SHAPES, ...PARTS, ...PADS, ...RESIZES, ...GATHERS, ...SCATTERS },
  ...{ ...REDUCTIONS, ...ORDERS, ...GENERATORS, ...RECURRENT, ...DEQUANTISERS, ...QUANTISED },
};

/** Operators that compute each element on its own, with broadcasting, in any layout. */
export const ELEMENTWISE: ReadonlySet<string> = new Set([
  ...[ARITHMETIC, ACTIVATIONS, LOGIC].flatMap((table) => Object.keys(table)),
  'Cast',
]);
