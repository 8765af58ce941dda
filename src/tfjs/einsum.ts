import * as tf from '@tensorflow/tfjs';

/** A tensor and the label of each of its dimensions. */
interface Labelled {
  readonly x: tf.Tensor;
  readonly labels: readonly string[];
}

/**
 * Sums of products over labelled dimensions (Einstein's convention), as transpositions and products of
 * matrices: two operands at a time, from the left. They have gradients, and kernels on all backends.
 *
 * @param equation such as `ij,jk->ik`; an ellipsis stands for any number of dimensions
 * @throws Error if the inputs do not fit
 */
export function einsum(equation: string, inputs: readonly tf.Tensor[]): tf.Tensor {
  const [left = '', right] = equation.replaceAll(/\s/g, '').split('->');
  const terms = left.split(',');
  if (terms.length !== inputs.length) throw new Error(`expected ${terms.length} inputs for "${equation}"`);
  const operands = inputs.map((x, i) => diagonalOf({ x, labels: labelsOf(terms[i] as string, x.rank) }));
  const output = right === undefined ? implied(operands) : outputLabels(right, operands);
  return reduceAll(operands, output);
}

function reduceAll(operands: readonly Labelled[], output: readonly string[]): tf.Tensor {
  let [first, ...rest] = operands as [Labelled, ...Labelled[]];
  while (rest.length > 0) {
    const [second, ...others] = rest as [Labelled, ...Labelled[]];
    const later = new Set([...output, ...others.flatMap(({ labels }) => labels)]);
    first = multiply(first, second, later);
    rest = others;
  }
  const summed = sumOut(first, new Set(output));
  const order = output.map((label) => summed.labels.indexOf(label));
  if (order.includes(-1)) throw new Error('expected labels of the inputs in the output');
  return order.length === 0 ? tf.reshape(summed.x, []) : tf.transpose(summed.x, order);
}

/** Labels of dimensions that an ellipsis stands for: digits, counted from the last. */
function labelsOf(term: string, rank: number): string[] {
  const [before = '', after] = term.split('...');
  if (after === undefined) {
    if (before.length !== rank) throw new Error(`expected ${before.length} dimensions for "${term}"`);
    return [...before];
  }
  const count = rank - before.length - after.length;
  if (count < 0) throw new Error(`expected more dimensions for "${term}"`);
  return [...before, ...indexesOf(count).map((i) => String(count - 1 - i)), ...after];
}

function ellipsisOf(operands: readonly Labelled[]): string[] {
  const digits = operands.flatMap(({ labels }) => labels.filter((label) => /\d/.test(label)));
  return [...new Set(digits)].sort().reverse();
}

function outputLabels(term: string, operands: readonly Labelled[]): string[] {
  const [before = '', after] = term.split('...');
  return after === undefined ? [...before] : [...before, ...ellipsisOf(operands), ...after];
}

/** @returns labels of the output where the equation has none: those that occur once, sorted */
function implied(operands: readonly Labelled[]): string[] {
  const all = operands.flatMap(({ labels }) => labels).filter((label) => !/\d/.test(label));
  const single = all.filter((label) => all.indexOf(label) === all.lastIndexOf(label));
  return [...ellipsisOf(operands), ...single.sort()];
}

/** Takes the diagonal of dimensions with the same label. */
function diagonalOf({ x, labels }: Labelled): Labelled {
  const kept = [...new Set(labels)];
  if (kept.length === labels.length) return { x, labels };
  const shape = kept.map((label) => x.shape[labels.indexOf(label)] as number);
  const strides = stridesOf(x.shape);
  const steps = kept.map((label) =>
    labels.reduce((sum, each, i) => sum + (each === label ? (strides[i] as number) : 0), 0),
  );
  const sizes = stridesOf(shape);
  const places = indexesOf(tf.util.sizeFromShape(shape)).map((i) =>
    steps.reduce((sum, step, d) => {
      return sum + step * (Math.floor(i / (sizes[d] as number)) % (shape[d] as number));
    }, 0),
  );
  const taken = tf.gather(tf.reshape(x, [-1]), tf.tensor1d(places, 'int32'));
  return { x: tf.reshape(taken, shape), labels: kept };
}

/** Sums over the dimensions whose labels are not wanted. */
function sumOut({ x, labels }: Labelled, wanted: ReadonlySet<string>): Labelled {
  const axes = indexesOf(labels.length).filter((i) => !wanted.has(labels[i] as string));
  if (axes.length === 0) return { x, labels };
  return { x: tf.sum(x, axes), labels: labels.filter((label) => wanted.has(label)) };
}

function multiply(left: Labelled, right: Labelled, later: ReadonlySet<string>): Labelled {
  const a = sumOut(left, new Set([...later, ...right.labels]));
  const b = sumOut(right, new Set([...later, ...left.labels]));
  const shared = a.labels.filter((label) => b.labels.includes(label));
  const batch = shared.filter((label) => later.has(label));
  const summed = shared.filter((label) => !later.has(label));
  const rows = a.labels.filter((label) => !shared.includes(label));
  const columns = b.labels.filter((label) => !shared.includes(label));
  const sizes = sizesOf(a, b);
  const count = (labels: readonly string[]): number =>
    tf.util.sizeFromShape(labels.map((label) => sizes.get(label) ?? 1));
  const arrange = (each: Labelled, order: readonly string[], shape: number[]): tf.Tensor =>
    tf.reshape(spread(each, order, sizes), shape);
  const [n, k] = [count(batch), count(summed)];
  const product = tf.matMul(
    arrange(a, [...batch, ...rows, ...summed], [n, count(rows), k]),
    arrange(b, [...batch, ...summed, ...columns], [n, k, count(columns)]),
  );
  const labels = [...batch, ...rows, ...columns];
  return {
    x: tf.reshape(
      product,
      labels.map((label) => sizes.get(label) as number),
    ),
    labels,
  };
}

/** @returns the size of each label: sizes of 1 stand for any */
function sizesOf(...operands: readonly Labelled[]): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const { x, labels } of operands)
    for (const [i, label] of labels.entries()) {
      const [known = 1, size] = [sizes.get(label), x.shape[i] as number];
      if (known !== 1 && size !== 1 && known !== size)
        throw new Error(`expected one size for the label "${label}", got ${known} and ${size}`);
      sizes.set(label, Math.max(known, size));
    }
  return sizes;
}

/** Transposes, and repeats along dimensions of size 1 that are larger elsewhere. */
function spread(
  { x, labels }: Labelled,
  order: readonly string[],
  sizes: ReadonlyMap<string, number>,
): tf.Tensor {
  const moved =
    order.length > 0
      ? tf.transpose(
          x,
          order.map((label) => labels.indexOf(label)),
        )
      : x;
  const shape = order.map((label) => sizes.get(label) as number);
  return tf.util.arraysEqual(moved.shape, shape) ? moved : tf.mul(moved, tf.ones(shape));
}

/** @returns the whole numbers below a count */
function indexesOf(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** @returns how many elements a step along each dimension passes over */
function stridesOf(shape: number[]): number[] {
  return shape.map((_, i) => tf.util.sizeFromShape(shape.slice(i + 1)));
}
