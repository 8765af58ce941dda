/** A vector times a matrix: `start + inputs · kernel`. */
export interface Product {
  readonly inputs: Float32Array;
  /** [inputs, outputs] */
  readonly kernel: Float32Array;
  /** [outputs]; may be the outputs themselves. */
  readonly start: Float32Array;
}

/** Which columns of a kernel. */
export interface Columns {
  readonly from: number;
  readonly to: number;
}

/**
 * Writes some columns of a product, by default all. Several sums at a time are held in variables, in double
 * precision, so that narrow kernels cost what their operations cost.
 */
export function multiply(
  outputs: Float32Array,
  product: Product,
  { from, to }: Columns = { from: 0, to: outputs.length },
): void {
  let column = from;
  for (; column + 8 <= to; column += 8) writeEight(outputs, product, column);
  for (; column + 2 <= to; column += 2) writeTwo(outputs, product, column);
  if (column < to) writeOne(outputs, product, column);
}

function writeEight(outputs: Float32Array, { inputs, kernel, start }: Product, column: number): void {
  const width = outputs.length;
  let a = start[column]!;
  let b = start[column + 1]!;
  let c = start[column + 2]!;
  let d = start[column + 3]!;
  let e = start[column + 4]!;
  let f = start[column + 5]!;
  let g = start[column + 6]!;
  let h = start[column + 7]!;
  for (let i = 0, at = column; i < inputs.length; i++, at += width) {
    const input = inputs[i]!;
    a += input * kernel[at]!;
    b += input * kernel[at + 1]!;
    c += input * kernel[at + 2]!;
    d += input * kernel[at + 3]!;
    e += input * kernel[at + 4]!;
    f += input * kernel[at + 5]!;
    g += input * kernel[at + 6]!;
    h += input * kernel[at + 7]!;
  }
  outputs[column] = a;
  outputs[column + 1] = b;
  outputs[column + 2] = c;
  outputs[column + 3] = d;
  outputs[column + 4] = e;
  outputs[column + 5] = f;
  outputs[column + 6] = g;
  outputs[column + 7] = h;
}

/** Sums every fourth row apart: eight sums at a time, too. */
function writeTwo(outputs: Float32Array, { inputs, kernel, start }: Product, column: number): void {
  const width = outputs.length;
  let a = start[column]!;
  let b = 0;
  let c = 0;
  let d = 0;
  let e = start[column + 1]!;
  let f = 0;
  let g = 0;
  let h = 0;
  let i = 0;
  let at = column;
  for (; i + 4 <= inputs.length; i += 4) {
    const first = inputs[i]!;
    const second = inputs[i + 1]!;
    const third = inputs[i + 2]!;
    const fourth = inputs[i + 3]!;
    a += first * kernel[at]!;
    e += first * kernel[at + 1]!;
    at += width;
    b += second * kernel[at]!;
    f += second * kernel[at + 1]!;
    at += width;
    c += third * kernel[at]!;
    g += third * kernel[at + 1]!;
    at += width;
    d += fourth * kernel[at]!;
    h += fourth * kernel[at + 1]!;
    at += width;
  }
  for (; i < inputs.length; i++, at += width) {
    a += inputs[i]! * kernel[at]!;
    e += inputs[i]! * kernel[at + 1]!;
  }
  outputs[column] = a + b + (c + d);
  outputs[column + 1] = e + f + (g + h);
}

function writeOne(outputs: Float32Array, { inputs, kernel, start }: Product, column: number): void {
  let sum = start[column]!;
  for (let i = 0, at = column; i < inputs.length; i++, at += outputs.length) sum += inputs[i]! * kernel[at]!;
  outputs[column] = sum;
}
