// Bytes of payloads that lead back and of composed ones, for a float32 model with the weights of a small
// keyword spotter.
import { composePayloads } from '../src/chain/compose-payloads.js';
import { reversePayload } from '../src/chain/reverse-payload.js';
import { elementCount, type Model, type Tensor, totalBytes } from '../src/model/tensor.js';
import type { Diff, Op } from '../src/payload/diff.js';
import { packDiff } from '../src/payload/encode.js';
import { roundScale } from '../src/payload/record-head.js';
import { createRandom } from '../src/train/random.js';
import { printBench } from './common/report.js';

const LAYERS: readonly (readonly [inputs: number, outputs: number])[] = [
  [490, 144],
  [144, 256],
  [256, 144],
  [144, 35],
];

/** Consecutive updates. */
const UPDATES = 5;

const random = createRandom(1);

function normal(): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

function floats(name: string, shape: readonly number[], deviation: number): Tensor {
  const info = { name, dtype: 'float32' as const, shape };
  const values = Float32Array.from({ length: elementCount(info) }, () => deviation * normal());
  return { ...info, bytes: new Uint8Array(values.buffer) };
}

/** Standard deviation of a layer's weights, as training leaves them. */
const deviationOf = ({ shape }: Tensor): number => Math.sqrt(2 / (shape[0] as number));

const base: Model = {
  tensors: LAYERS.flatMap(([inputs, outputs], i) => [
    floats(`${i}/bias`, [outputs], 0.05),
    floats(`${i}/kernel`, [inputs, outputs], Math.sqrt(2 / inputs)),
  ]),
};
const kernels = base.tensors.filter(({ shape }) => shape.length === 2);
const biases = base.tensors.filter(({ shape }) => shape.length === 1);

/** No two updates have the same scales. */
const about = (scale: number): number => roundScale(scale * (0.7 + 0.6 * random()));

function denseOps(): Op[] {
  return biases.map((bias) => ({
    kind: 'dense',
    tensor: bias.name,
    scale: about(0.01),
    levels: Int8Array.from({ length: elementCount(bias) }, () => Math.round(1.5 * normal())),
  }));
}

/** Ternary values in blocks of 8; `strength` is the size of a change as a share of a layer's deviation. */
function hashDiff(strength: number): Diff {
  const values = Int8Array.from({ length: 14_000 }, () => Math.floor(3 * random()) - 1);
  const hash: Op = {
    kind: 'hash',
    tensors: kernels.map((kernel) => ({ tensor: kernel.name, scale: about(strength * deviationOf(kernel)) })),
    seed: Math.floor(random() * 2 ** 32),
    block: 8,
    buckets: { coding: 'levels', values },
  };
  return { ops: [hash, ...denseOps()] };
}

function sparseDiff(density: number): Diff {
  const ops = kernels.map((kernel): Op => {
    const all = Array.from({ length: elementCount(kernel) }, (_, i) => i);
    const positions = Uint32Array.from(all.filter(() => random() < density));
    const sign = (): number => (random() < 0.5 ? -1 : 1);
    const levels = Int16Array.from(positions, () => sign() * (1 + Math.floor(5 * random() * random())));
    return {
      kind: 'sparse',
      tensor: kernel.name,
      scale: about(0.2 * deviationOf(kernel)),
      positions,
      levels,
    };
  });
  return { ops: [...ops, ...denseOps()] };
}

const CASES: readonly [name: string, make: () => Diff][] = [
  ['hash, changes of 0.03 deviations', () => hashDiff(0.03)],
  ['hash, 0.1', () => hashDiff(0.1)],
  ['hash, 0.3', () => hashDiff(0.3)],
  ['sparse, density 1 %', () => sparseDiff(0.01)],
  ['sparse, density 5 %', () => sparseDiff(0.05)],
];

async function measureBack(make: () => Diff) {
  const forward = await packDiff(base, make());
  const { payload, way, exactWeights } = await reversePayload(forward.payload, base);
  const [forwardBytes, backBytes] = [forward.payload.length, payload.length];
  const share = backBytes / totalBytes(base.tensors);
  return { forwardBytes, backBytes, times: backBytes / forwardBytes, share, way, exactWeights };
}

async function measureComposed(make: () => Diff) {
  let model = base;
  const parts: Uint8Array[] = [];
  for (let i = 0; i < UPDATES; i++) {
    const packed = await packDiff(model, make());
    parts.push(packed.payload);
    model = packed.model;
  }
  const { payload } = await composePayloads(parts, base);
  const partBytes = parts.reduce((sum, { length }) => sum + length, 0);
  return { fiveBytes: partBytes, composedBytes: payload.length };
}

const start = performance.now();
const rows = [];
for (const [diff, make] of CASES)
  rows.push({ diff, ...(await measureBack(make)), ...(await measureComposed(make)) });
printBench({ bench: 'chain', seconds: (performance.now() - start) / 1000, rows, goals: [] });
