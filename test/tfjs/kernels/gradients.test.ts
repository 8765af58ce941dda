import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { useBackend } from '../../../src/tfjs/backend.js';
import { seededFloats } from '../../support.js';

/** A function of one tensor, which is linear or at least without kinks near the seeded numbers. */
interface Case {
  readonly name: string;
  readonly shape: readonly number[];
  readonly run: (x: tf.Tensor) => tf.Tensor;
}

const filter = (shape: number[]) => tf.tensor(seededFloats(2, tf.util.sizeFromShape(shape)), shape);
const image = () => tf.tensor4d(seededFloats(3, 2 * 7 * 6 * 2), [2, 7, 6, 2]);
type Pad = Parameters<typeof tf.conv2d>[3];

/** Dilated convolutions by both operands. */
const DILATED = (
  [
    'same',
    'valid',
    [
      [0, 0],
      [3, 1],
      [2, 0],
      [0, 0],
    ],
  ] as Pad[]
).flatMap((pad): Case[] => [
  {
    name: `conv2d of inputs, dilations 2 and 3, pad ${pad}`,
    shape: [2, 7, 8, 2],
    run: (x) => tf.conv2d(x as tf.Tensor4D, filter([3, 2, 2, 3]) as tf.Tensor4D, 1, pad, 'NHWC', [2, 3]),
  },
  {
    name: `conv2d of filters, dilation 2, pad ${pad}`,
    shape: [3, 2, 2, 3],
    run: (x) => tf.conv2d(image(), x as tf.Tensor4D, 1, pad, 'NHWC', 2),
  },
  {
    name: `depthwiseConv2d of inputs, dilation 2, pad ${pad}`,
    shape: [2, 7, 6, 2],
    run: (x) => tf.depthwiseConv2d(x as tf.Tensor4D, filter([3, 2, 2, 2]) as tf.Tensor4D, 1, pad, 'NHWC', 2),
  },
  {
    name: `depthwiseConv2d of filters, dilation 2, pad ${pad}`,
    shape: [2, 3, 2, 1],
    run: (x) => tf.depthwiseConv2d(image(), x as tf.Tensor4D, 1, pad, 'NHWC', 2),
  },
]);

const CASES: readonly Case[] = [
  ...DILATED,
  {
    name: 'conv1d, dilation 2',
    shape: [2, 9, 2],
    run: (x) => tf.conv1d(x as tf.Tensor3D, filter([3, 2, 2]) as tf.Tensor3D, 1, 'same', 'NWC', 2),
  },
  { name: 'stridedSlice', shape: [5, 7], run: (x) => tf.stridedSlice(x, [1, 0], [5, 7], [2, 3]) },
  {
    name: 'stridedSlice backwards',
    shape: [5, 7],
    run: (x) => tf.stridedSlice(x, [4, -1], [0, 1], [-1, -2]),
  },
  {
    name: 'stridedSlice of one column',
    shape: [3, 4, 2],
    run: (x) => tf.stridedSlice(x, [0, 2], [0, 3], [1, 1], 1, 1, 0, 0, 2),
  },
  {
    name: 'stridedSlice of nothing',
    shape: [3, 4],
    run: (x) => tf.add(tf.sum(tf.stridedSlice(x, [2, 0], [2, 4], [1, 1])), tf.sum(x)),
  },
  { name: 'depthToSpace', shape: [2, 2, 3, 8], run: (x) => tf.depthToSpace(x as tf.Tensor4D, 2) },
  {
    name: 'gatherND',
    shape: [4, 3, 2],
    run: (x) =>
      tf.gatherND(
        x,
        tf.tensor2d(
          [
            [1, 2],
            [3, 0],
            [1, 2],
          ],
          [3, 2],
          'int32',
        ),
      ),
  },
  {
    name: 'gather by indices of the largest',
    shape: [6],
    run: (x) => tf.gather(tf.square(x), tf.topk(x, 2).indices),
  },
  { name: 'topk', shape: [3, 6], run: (x) => tf.topk(x, 2).values },
  {
    name: 'mirrorPad, reflected',
    shape: [3, 4, 2],
    run: (x) =>
      tf.mirrorPad(
        x,
        [
          [1, 2],
          [3, 0],
          [0, 0],
        ],
        'reflect',
      ),
  },
  {
    name: 'mirrorPad, symmetric',
    shape: [3, 4],
    run: (x) =>
      tf.mirrorPad(
        x,
        [
          [3, 1],
          [0, 4],
        ],
        'symmetric',
      ),
  },
  {
    name: 'where, greater',
    shape: [4, 5],
    run: (x) => tf.where(tf.greater(x, 0), tf.mul(x, 3), tf.square(x)),
  },
  {
    name: 'where, logical operations',
    shape: [20],
    run: (x) => tf.where(tf.logicalOr(tf.logicalNot(tf.less(x, 0.1)), tf.equal(x, 0)), tf.neg(x), x),
  },
  { name: 'tile', shape: [2, 1, 3], run: (x) => tf.tile(x, [3, 2, 1]) },
  { name: 'tile of five dimensions', shape: [2, 1, 2, 1, 2], run: (x) => tf.tile(x, [2, 3, 1, 1, 2]) },
  {
    name: 'squaredDifference with a mean',
    shape: [3, 5],
    run: (x) => tf.squaredDifference(x, tf.mean(x, 1, true)),
  },
  ...[true, false].flatMap((isLarger): Case[] => {
    const size: [number, number] = isLarger ? [6, 7] : [2, 3];
    const to = `to ${size}, half-pixel centres`;
    const resize = (x: tf.Tensor, how: 'resizeBilinear' | 'resizeNearestNeighbor') =>
      tf.image[how](x as tf.Tensor4D, size, false, true);
    return [
      { name: `resizeBilinear ${to}`, shape: [2, 3, 5, 2], run: (x) => resize(x, 'resizeBilinear') },
      {
        name: `resizeNearestNeighbor ${to}`,
        shape: [2, 3, 5, 2],
        run: (x) => resize(x, 'resizeNearestNeighbor'),
      },
    ];
  }),
  { name: 'max', shape: [3, 5], run: (x) => tf.max(x, 1) },
  { name: 'min of everything', shape: [3, 5], run: (x) => tf.min(x) },
];

/** @returns the sum of the results, each with its own factor */
function total({ run }: Case, x: tf.Tensor): tf.Scalar {
  const y = run(x);
  return tf.sum(tf.mul(y, tf.tensor(seededFloats(9, y.size), y.shape)));
}

describe.each(['cpu', 'wasm'] as const)('gradients on %s', (backend) => {
  beforeAll(() => useBackend(backend));

  test.each(CASES)('$name agrees with difference quotients', (each) => {
    const values = seededFloats(1, tf.util.sizeFromShape([...each.shape]));
    const at = (i: number, step: number): number =>
      tf.tidy(() => {
        const moved = values.slice();
        moved[i] = (moved[i] as number) + step;
        return total(each, tf.tensor(moved, [...each.shape])).dataSync()[0] as number;
      });
    const expected = [...values.keys()].map((i) => (at(i, 2 ** -7) - at(i, -(2 ** -7))) * 2 ** 6);
    const found = tf.tidy(() =>
      tf
        .grad((x) => total(each, x))(tf.tensor(values.slice(), [...each.shape]))
        .dataSync(),
    );
    for (const [i, slope] of expected.entries()) expect(found[i]).toBeCloseTo(slope, 2);
  });

  test('equal maxima share their gradient, on a program that asks for them by axis or not', () => {
    const x = tf.tensor2d([1, 3, 3, 2, 2, 2], [2, 3]);
    expect([
      ...tf
        .grad((each) => tf.max(each, 1))(x)
        .dataSync(),
    ]).toEqual([0, 0.5, 0.5, ...Array(3).fill(Math.fround(1 / 3))]);
    expect([
      ...tf
        .grad((each) => tf.max(each))(x)
        .dataSync(),
    ]).toEqual([0, 0.5, 0.5, 0, 0, 0]);
    expect(
      [
        ...tf
          .grad((each) => tf.min(each, -1, true))(x)
          .dataSync(),
      ].slice(0, 3),
    ).toEqual([1, 0, 0]);
  });
});
