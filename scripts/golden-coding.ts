import { elementCount, type Model, type Tensor } from '../src/model/tensor.js';
import { xxh32 } from '../src/payload/placement.js';
import type { ChooseHead } from '../src/payload/sparse-writer.js';
import { type Accepted, type Change, dense, seeded, sparse } from './golden-samples.js';

const whole = (name: string, shape: number[], seed = 1): Tensor => seeded(name, 'int8', { shape, seed });

const zeros = (name: string, shape: number[]): Tensor => {
  const tensor = whole(name, shape);
  return { ...tensor, bytes: tensor.bytes.fill(0) };
};

/** Changes of a tensor at a density, from a seed: levels of -4 to 4. */
function changes(tensor: Tensor, seed: number, density: number): Change[] {
  return Array.from({ length: elementCount(tensor) }, (_, i) => i)
    .filter((i) => xxh32(i, seed) < density * 2 ** 32)
    .map((i) => [i, (xxh32(i, seed + 1) & 1 ? -1 : 1) * (1 + (xxh32(i, seed + 2) & 3))]);
}

/** All positions in one way. */
const inView =
  (view: number, rice = 0): ChooseHead =>
  ({ scale }) => ({ scale, view, rice });

/** One sparse op on one tensor, its positions coded in a given way. */
const one = (tensor: Tensor, list: readonly Change[], choose: ChooseHead): Accepted => ({
  base: { tensors: [tensor] },
  diff: { ops: [sparse(tensor.name, list, 1)] },
  choose,
});

/** A matrix of which some rows and columns change much more than others. */
function structured(rows: number, columns: number): Change[] {
  const activity = (i: number, seed: number): number => (xxh32(i, seed) / 2 ** 32) ** 3;
  return Array.from({ length: rows * columns }, (_, i): Change => [i, xxh32(i, 40) & 1 ? 1 : -1]).filter(
    ([i]) => xxh32(i, 41) / 2 ** 32 < 2 * activity(Math.floor(i / columns), 42) * activity(i % columns, 43),
  );
}

const cube = (i: number): Tensor => whole(`cube/${i}`, [3, 4, 5], i);
const cubes: Model = { tensors: [0, 1, 2, 3, 4, 5, 6].map(cube) };
const square = whole('square', [16, 16]);
const long = (view: number): Accepted => {
  const tensor = zeros('long', [600, 1_000]);
  const scattered = changes(tensor, 50, 0.0001);
  const column = Array.from({ length: 30 }, (_, i): Change => [20_000 * i + 7, 1]);
  const merged = new Map([...scattered, ...column]);
  return one(
    tensor,
    [...merged].sort(([a], [b]) => a - b),
    inView(view),
  );
};
const ranks: Model = {
  tensors: [
    seeded('a/bias', 'float32', { shape: [6], seed: 1 }),
    seeded('a/kernel', 'float32', { shape: [5, 6], seed: 2 }),
    seeded('b/bias', 'float16', { shape: [6], seed: 3 }),
    seeded('b/kernel', 'float16', { shape: [2, 3, 6], seed: 4 }),
    seeded('c/bias', 'bfloat16', { shape: [6], seed: 5 }),
    seeded('c/kernel', 'int32', { shape: [4, 6], seed: 6 }),
    seeded('d', 'float32', { shape: [], seed: 7 }),
    seeded('e', 'uint8', { shape: [], seed: 8 }),
  ],
};
const someOf = (...names: string[]): Tensor[] => ranks.tensors.filter(({ name }) => names.includes(name));
const SCALES = [2 ** 96, 1.9921875, 2 ** -133, 0.0625, 255, 2 ** 24 - 2 ** 16, 1.125, 1];

/** Payloads that take every path of the coder; the names are folders. */
export const CODED: Readonly<Record<string, Accepted>> = {
  'plain-positions': one(whole('a', [500]), changes(whole('a', [500]), 1, 0.1), inView(0, 2)),
  'plain-positions-side-by-side': one(whole('a', [40]), changes(whole('a', [40]), 4, 0.9), inView(0, 0)),
  'plain-rice-31': one(
    whole('a', [9]),
    [
      [0, 1],
      [8, -1],
    ],
    inView(0, 31),
  ),
  'plain-rice-below-the-best': one(whole('a', [300]), changes(whole('a', [300]), 7, 0.02), inView(0, 1)),
  'plain-first-and-last': one(
    zeros('a', [4_000]),
    [
      [0, 1],
      [3_999, 1],
    ],
    inView(0, 9),
  ),
  'every-view': {
    base: cubes,
    diff: { ops: cubes.tensors.map((tensor, i) => sparse(tensor.name, changes(tensor, 10 + i, 0.3), 1 + i)) },
    choose: ({ tensor, scale }) => ({
      scale,
      view: Number(tensor.at(-1)),
      rice: tensor.endsWith('0') ? 1 : 0,
    }),
  },
  'every-element': one(
    square,
    Array.from({ length: 256 }, (_, i) => [i, i % 2 ? -1 : 1]),
    inView(1),
  ),
  'mapped-empty-rows': one(
    square,
    changes(square, 20, 0.4).filter(([i]) => [3, 4, 15].includes(i >> 4)),
    inView(3),
  ),
  'mapped-empty-columns': one(
    square,
    changes(square, 21, 0.4).filter(([i]) => [0, 9, 10].includes(i % 16)),
    inView(4),
  ),
  'mapped-last-of-a-row': one(
    square,
    [15, 31, 47, 78, 79, 255].map((i) => [i, 1]),
    inView(3),
  ),
  'mapped-rows-of-one': one(whole('a', [30, 1]), changes(whole('a', [30, 1]), 22, 0.3), inView(3)),
  'mapped-scalar': one(whole('a', []), [[0, -2]], inView(2)),
  'sparse-large-levels': one(
    { ...whole('a', [12]), dtype: 'int32', bytes: new Uint8Array(48) },
    [1, -2, 14, -15, 16, 17, -30, 127, -128, 1_000, 32_767, -32_767].map((level, i) => [i, level]),
    inView(1),
  ),
  'several-tensors-in-a-record': {
    base: ranks,
    diff: {
      ops: [
        ...someOf('a/kernel', 'b/bias', 'b/kernel', 'c/kernel', 'e').map((tensor, i) =>
          sparse(tensor.name, elementCount(tensor) === 1 ? [[0, 2]] : changes(tensor, 30 + i, 0.3), 1 + i),
        ),
        ...someOf('a/bias', 'c/bias', 'd').map((tensor, i) =>
          dense(
            tensor.name,
            Array.from({ length: elementCount(tensor) }, (_, at) => (xxh32(at, i) % 5) - 2),
          ),
        ),
      ],
    },
  },
  'scales-far-apart': {
    base: ranks,
    diff: {
      ops: ranks.tensors.map((tensor, i) => sparse(tensor.name, [[0, i % 2 ? 1 : -1]], SCALES[i])),
    },
  },
  'contexts-halved': {
    base: { tensors: [zeros('map', [64, 64]), zeros('plain', [20_000]), zeros('wide', [12_000])] },
    diff: {
      ops: [
        sparse('map', structured(64, 64), 1),
        sparse('plain', changes(zeros('plain', [20_000]), 60, 0.3), 1),
        dense(
          'wide',
          Array.from({ length: 12_000 }, (_, i) => (xxh32(i, 61) & 7 ? 0 : (xxh32(i, 62) % 255) - 127)),
          1,
        ),
      ],
    },
  },
  'structured-mask': {
    base: { tensors: [whole('map', [96, 80])] },
    diff: { ops: [sparse('map', structured(96, 80), 1)] },
  },
  'slabs-of-rows': long(3),
  'slabs-of-columns': long(4),
};
