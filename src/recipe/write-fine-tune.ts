import { join } from 'node:path';
import { patchChain } from '../chain/patch-chain.js';
import { NeuralDiffError } from '../model/errors.js';
import { HALVES, isFloat } from '../model/float16.js';
import type { WeightStore } from '../model/store.js';
import { openModel, wholeModel } from '../node/open-model.js';
import { writeCopy } from '../node/output.js';
import { readPayload } from '../node/read-payload.js';
import type { FineTuned } from '../train/fine-tune.js';
import type { BaseModel } from './open-base.js';

/** Where to write a model. */
export interface ModelOutput {
  readonly out: string;
  /** Replaces an existing folder. */
  readonly force?: boolean;
}

/**
 * Writes a full fine-tune as the kind of model that its base is: a copy of the base, with its chain applied
 * and the trained weights replaced. Weights that the base stores as float16 or bfloat16 are rounded to the
 * nearest. The copy is created completely or not at all.
 *
 * @returns the result of `use`, which is called with the copy's store before it is closed
 * @throws NeuralDiffError `unsupported-model` for a base that stores trained weights as integers, and for
 *   values beyond float16; `output-exists`, `no-space`; those of a model on disk and of payloads
 */
export async function writeFineTune<T>(
  { base, chain = [] }: BaseModel,
  { weights }: Pick<FineTuned, 'weights'>,
  { out, force = false, use }: ModelOutput & { use: (store: WeightStore) => Promise<T> },
): Promise<T> {
  const model = await wholeModel(base);
  return writeCopy({ ...model, to: out, force }, async (copy) => {
    const store = await openModel(join(copy, model.main), { writable: true });
    try {
      if (chain.length > 0)
        await patchChain(store, await Promise.all(chain.map((path) => readPayload(path))));
      for (const [name, values] of weights) await writeWeights(store, name, values);
      await store.flush();
      return await use(store);
    } finally {
      await store.close();
    }
  });
}

async function writeWeights(store: WeightStore, name: string, values: Float32Array): Promise<void> {
  const dtype = store.tensors.find((tensor) => tensor.name === name)?.dtype;
  if (dtype === undefined || !isFloat(dtype))
    throw unwritable(name, `it is stored as ${dtype ?? 'nothing'}, expected floats`);
  const stored = dtype === 'float32' ? values : halvesOf(name, dtype as keyof typeof HALVES, values);
  await store.write(name, 0, new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength));
}

/** @returns numbers as 16-bit floats, rounded to the nearest */
function halvesOf(name: string, dtype: keyof typeof HALVES, values: Float32Array): Uint16Array {
  const { narrow, widen } = HALVES[dtype];
  const bits = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    bits[i] = narrow(values[i] as number);
    if (!Number.isFinite(widen(bits[i] as number))) throw unwritable(name, `${values[i]} is beyond ${dtype}`);
  }
  return bits;
}

function unwritable(name: string, why: string): NeuralDiffError {
  return new NeuralDiffError('unsupported-model', `Cannot write the full fine-tune: "${name}": ${why}`);
}
