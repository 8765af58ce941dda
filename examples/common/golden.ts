import * as tf from '@tensorflow/tfjs';

/** Outputs may differ by this much between machines and backends. */
const TOLERANCE = 1e-3;

/** What a model must answer to some inputs. */
interface Golden {
  readonly inputs: readonly (readonly number[])[];
  readonly outputs: readonly (readonly number[])[];
}

/** @returns the model's outputs for one input, one after another */
export function predict(model: tf.LayersModel, input: ArrayLike<number>): number[] {
  return tf.tidy(() => {
    const shape = (model.inputs[0] as tf.SymbolicTensor).shape.slice(1) as number[];
    const output = model.predict(tf.tensor(Array.from(input), [1, ...shape], 'float32')) as tf.Tensor;
    return Array.from(output.dataSync());
  });
}

/** @returns inputs with the outputs of a model, as a file that is published next to its release */
export function makeGolden(model: tf.LayersModel, inputs: readonly ArrayLike<number>[]): Uint8Array {
  const outputs = inputs.map((input) => predict(model, input));
  const golden: Golden = { inputs: inputs.map((input) => Array.from(input)), outputs };
  return new TextEncoder().encode(JSON.stringify(golden));
}

/** @throws Error where a model does not answer as it must; one without golden inputs must give numbers */
export function checkGolden(model: tf.LayersModel, bytes?: Uint8Array): void {
  const { inputs, outputs } = bytes ? parse(bytes) : { inputs: [zeros(model)], outputs: [] };
  inputs.forEach((input, i) => {
    const found = predict(model, input);
    const isGood = (value: number, k: number): boolean =>
      Math.abs(value - (outputs[i]?.[k] ?? value)) <= TOLERANCE;
    if (!found.every(isGood)) throw new Error(`golden input ${i} gives [${found}], not [${outputs[i]}]`);
  });
}

function zeros(model: tf.LayersModel): number[] {
  const shape = (model.inputs[0] as tf.SymbolicTensor).shape.slice(1) as number[];
  return new Array(shape.reduce((a, b) => a * b, 1)).fill(0);
}

function parse(bytes: Uint8Array): Golden {
  return JSON.parse(new TextDecoder().decode(bytes)) as Golden;
}
