// Bytes of LoRA adapters as payloads, of the payloads that take them out again, and of other ways to ship the
// sum; how fast they are applied. One matrix of 1024 × 1024; its weights and the adapter's are random.

import { planApply } from '../src/apply/plan.js';
import { reversePayload } from '../src/chain/reverse-payload.js';
import { importAdapter } from '../src/exact-diff/adapter/import-adapter.js';
import { diffModels } from '../src/exact-diff/diff-stores.js';
import { fitModels } from '../src/exact-diff/lossy/fit-models.js';
import { bfloat16Bits, float16Bits } from '../src/model/float16.js';
import { openMemoryStore } from '../src/model/store.js';
import type { Model, Tensor } from '../src/model/tensor.js';
import { decodePayload } from '../src/payload/decode.js';
import { patchModel } from '../src/payload/patch.js';
import { createRandom } from '../src/train/random.js';
import { printBench } from './common/report.js';

const SIZE = 1_024;

/** Standard deviation of the base's weights, and size of a change as a share of it. */
const DEVIATION = SIZE ** -0.5;
const CHANGE = 0.02;

/** Directions of a trained adapter matter less and less: each by this factor. */
const DECAY = 0.7;

const random = createRandom(1);

function normal(): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

type FloatDType = 'float32' | 'float16' | 'bfloat16';

function tensorOf(
  name: string,
  values: Float32Array,
  { dtype, shape }: { dtype: FloatDType; shape: readonly number[] },
): Tensor {
  if (dtype === 'float32') return { name, dtype, shape, bytes: new Uint8Array(values.buffer) };
  const bits = Uint16Array.from(values, dtype === 'float16' ? float16Bits : bfloat16Bits);
  return { name, dtype, shape, bytes: new Uint8Array(bits.buffer) };
}

function baseOf(dtype: FloatDType): Model {
  const values = Float32Array.from({ length: SIZE * SIZE }, () => DEVIATION * normal());
  return { tensors: [tensorOf('w.weight', values, { dtype, shape: [SIZE, SIZE] })] };
}

/** A is as it was initialised; B has learnt some directions more than others. */
function adapterOf(rank: number): Model {
  const bound = SIZE ** -0.5;
  const a = Float32Array.from({ length: rank * SIZE }, () => bound * (2 * random() - 1));
  const mix = Float64Array.from({ length: rank * rank }, (_, i) => DECAY ** Math.floor(i / rank) * normal());
  const size = (CHANGE * DEVIATION) / (bound * Math.sqrt(rank / 3));
  const norm = Math.sqrt(mix.reduce((sum, value) => sum + value * value, 0) / rank);
  const b = new Float32Array(SIZE * rank);
  for (let i = 0; i < SIZE; i++) {
    const row = Array.from({ length: rank }, normal);
    for (let k = 0; k < rank; k++)
      b[i * rank + k] =
        (size / norm) * row.reduce((sum, value, m) => sum + value * (mix[m * rank + k] as number), 0);
  }
  const name = 'base_model.model.w';
  return {
    tensors: [
      tensorOf(`${name}.lora_A.weight`, a, { dtype: 'bfloat16', shape: [rank, SIZE] }),
      tensorOf(`${name}.lora_B.weight`, b, { dtype: 'bfloat16', shape: [SIZE, rank] }),
    ],
  };
}

async function measureRank(base: Model, rank: number) {
  const adapter = openMemoryStore(adapterOf(rank));
  const config = { lora_alpha: rank };
  const store = openMemoryStore(base);
  const made = (options: object) => importAdapter(adapter, store, { config, ...options });
  const byDefault = await made({});
  const sizes = await Promise.all(
    [4, 6, 8, 12, 16].map(async (bits) => [`bits${bits}`, (await made({ bits })).payload.length] as const),
  );
  const one = (await made({ maxError: 0.01 })).payload.length;
  const start = performance.now();
  await planApply(store, byDefault.payload);
  const seconds = (performance.now() - start) / 1e3;
  const back = await reversePayload(byDefault.payload, base);
  const next = patchModel(base, (await decodePayload(byDefault.payload, base.tensors)).diff);
  const [tensor] = byDefault.tensors;
  return {
    rank,
    adapterBytes: 4 * rank * SIZE,
    payloadBytes: byDefault.payload.length,
    error: tensor?.error ?? null,
    rounding: tensor?.rounding ?? null,
    differing: tensor?.differing ?? null,
    maxError1: one,
    ...Object.fromEntries(sizes),
    backBytes: back.payload.length,
    exactWeights: back.exactWeights,
    megabytesPerSecond: base.tensors.reduce((sum, { bytes }) => sum + bytes.length, 0) / 1e6 / seconds,
    exactDiffBytes: (await diffModels(base, next)).payload.length,
    lossyBytes:
      rank === 16 && base.tensors[0]?.dtype === 'bfloat16'
        ? (await fitModels(base, next, { error: 0.05 })).payload.length
        : null,
  };
}

const start = performance.now();
const rows = [];
for (const dtype of ['bfloat16', 'float16', 'float32'] as const) {
  const base = baseOf(dtype);
  for (const rank of dtype === 'bfloat16' ? [4, 8, 16, 64] : [16])
    rows.push({ dtype, ...(await measureRank(base, rank)) });
}
printBench({ bench: 'adapter', seconds: (performance.now() - start) / 1000, rows, goals: [] });
