import * as tf from '@tensorflow/tfjs';
import { NeuralDiffError } from '../../../model/errors.js';

/** Keeps the logarithm finite where two examples have the same pattern. */
const LEAST_PIVOT = 1e-9;

/** Activations that are zero on one side. */
const RECTIFIERS: readonly unknown[] = ['relu', 'relu6'];

/**
 * Scores an untrained network by how differently its rectifiers react to examples: the logarithm of the
 * determinant of the kernel of agreements between patterns of active units. The higher, the better a network
 * is expected to learn. Equal weights and examples give equal scores.
 *
 * Source: J. Mellor et al., "Neural Architecture Search without Training" (2021).
 *
 * @param xs inputs of a batch, of which no two examples are equal
 * @throws NeuralDiffError `unsupported-model` for a network without rectifiers
 */
export async function activationScore(model: tf.LayersModel, xs: tf.Tensor[]): Promise<number> {
  const outputs = rectifiedOutputs(model);
  const probe = tf.model({ inputs: model.inputs, outputs });
  const kernel = tf.tidy(() => {
    const found = probe.predict(xs.length === 1 ? (xs[0] as tf.Tensor) : xs);
    return tf.addN([found].flat().map(agreements));
  });
  const size = kernel.shape[0] as number;
  const values = Float64Array.from(await kernel.data());
  kernel.dispose();
  return logDeterminant(values, size);
}

function rectifiedOutputs(model: tf.LayersModel): tf.SymbolicTensor[] {
  const outputs = model.layers
    .filter(
      (layer) => /^ReLU$/.test(layer.getClassName()) || RECTIFIERS.includes(layer.getConfig().activation),
    )
    .flatMap((layer) => layer.inboundNodes.flatMap(({ outputTensors }) => outputTensors));
  if (outputs.length > 0) return outputs;
  const message = `Cannot score network "${model.name}" without training: expected rectifiers (relu), got none`;
  throw new NeuralDiffError('unsupported-model', message);
}

/** @returns for each pair of examples, the units that are active for both or for neither */
function agreements(output: tf.Tensor): tf.Tensor2D {
  const rows = tf.reshape(output, [output.shape[0] as number, -1]) as tf.Tensor2D;
  const active = tf.cast(tf.greater(rows, 0), 'float32');
  const inactive = tf.sub(1, active);
  const both = (half: tf.Tensor): tf.Tensor2D =>
    tf.matMul(half as tf.Tensor2D, half as tf.Tensor2D, false, true);
  return tf.add(both(active), both(inactive));
}

/**
 * By Cholesky's decomposition: the kernel is symmetric and positive semi-definite.
 *
 * @param matrix row-major; changed
 */
function logDeterminant(matrix: Float64Array, size: number): number {
  let sum = 0;
  for (let column = 0; column < size; column++) {
    const pivot = Math.max(matrix[column * size + column] as number, LEAST_PIVOT);
    sum += Math.log(pivot);
    for (let row = column + 1; row < size; row++) {
      const factor = (matrix[row * size + column] as number) / pivot;
      for (let each = column; each < size; each++) {
        const place = row * size + each;
        matrix[place] = (matrix[place] as number) - factor * (matrix[column * size + each] as number);
      }
    }
  }
  return sum;
}
