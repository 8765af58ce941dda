import fc from 'fast-check';
import { expect, test } from 'vitest';
import { float16Bits } from '../../src/model/float16.js';
import { bytesOnGrid, GRID_NAMES, type GridName, gridsFor, isStorable } from '../../src/model/grids.js';
import { byteLength, type Tensor } from '../../src/model/tensor.js';
import { scalesOf } from '../../src/train/session.js';
import { roundToGrid, storeOnGrids } from '../../src/train/store-on-grid.js';
import { offsetView } from '../support.js';

const tensorOf = (shape: number[], values: readonly number[]): Tensor => ({
  name: 'kernel',
  dtype: 'float32',
  shape,
  // As in the middle of a shard, where floats need not be aligned.
  bytes: offsetView(new Uint8Array(Float32Array.from(values).buffer), 3),
});

const MATRIX = tensorOf([2, 3], [127, -0.5, 0, -64.4, 0.25, 0]);

test('gridsFor() offers integers for matrices alone, and only what saves bytes', () => {
  expect(gridsFor({ name: 'a', dtype: 'float32', shape: [64, 64] })).toEqual(GRID_NAMES.slice(1));
  expect(gridsFor({ name: 'bias', dtype: 'float32', shape: [64] })).toEqual(['float16', 'bfloat16']);
  expect(gridsFor({ name: 'none', dtype: 'float32', shape: [0, 3] })).toEqual([]);
  const depthwise = gridsFor({ name: 'one channel', dtype: 'float32', shape: [3, 3, 8, 1] });
  expect(depthwise).toEqual(['float16', 'bfloat16', 'int8-channels', 'int4-channels']);
  // A row of scales takes more than its three bytes a weight save.
  expect(gridsFor({ name: 'row', dtype: 'float32', shape: [1, 8] })).not.toContain('int8-channels');
  expect(GRID_NAMES.filter((grid) => !isStorable(grid))).toEqual(['int4-channels']);
});

test('storeOnGrids() stores what a device has, with one scale a channel or one in all', () => {
  const { tensors, quantization } = storeOnGrids({ tensors: [MATRIX] }, () => 'int8-channels');
  expect([...new Int8Array(tensors[0]!.bytes.buffer)]).toEqual([127, -127, 0, -64, 64, 0]);
  const [first, second, empty] = scalesOf(quantization?.get('kernel')) as unknown as number[];
  expect([first, second]).toEqual([1, Math.fround(0.5 / 127)]);
  expect(empty).toBeGreaterThan(0);
  const one = storeOnGrids({ tensors: [MATRIX] }, () => 'int8-tensor');
  expect([...new Int8Array(one.tensors[0]!.bytes.buffer)]).toEqual([127, 0, 0, -64, 0, 0]);
  expect(one.quantization?.get('kernel')).toEqual({ scale: 1 });
  const half = storeOnGrids({ tensors: [MATRIX] }, () => 'float16');
  expect(half.tensors[0]).toMatchObject({ dtype: 'float16', shape: [2, 3] });
  expect(new Uint16Array(half.tensors[0]!.bytes.buffer)[0]).toBe(float16Bits(127));
  expect(storeOnGrids({ tensors: [MATRIX] }, () => undefined).tensors[0]).toBe(MATRIX);
});

test('bytesOnGrid() is what storeOnGrids() takes, and its scales', () => {
  for (const grid of GRID_NAMES.filter(isStorable)) {
    const { tensors, quantization } = storeOnGrids({ tensors: [MATRIX] }, () => grid);
    const scales = quantization?.has('kernel') ? scalesOf(quantization.get('kernel')).length : 0;
    expect([grid, bytesOnGrid(MATRIX, grid)]).toEqual([grid, byteLength(tensors[0]!) + 4 * scales]);
  }
  expect(bytesOnGrid(MATRIX, 'int4-channels')).toBe(3 + 4 * 3);
});

test('roundToGrid() errs by at most half a step, and keeps what it has rounded', () => {
  const weights = fc.array(fc.float({ min: -3, max: 3, noNaN: true }), { minLength: 12, maxLength: 12 });
  const coarse = fc.constantFrom<GridName>('int8-channels', 'int8-tensor', 'int4-channels');
  fc.assert(
    fc.property(weights, coarse, (values, grid) => {
      const tensor = tensorOf([4, 3], values);
      const rounded = roundToGrid(tensor, grid);
      const largest = grid === 'int4-channels' ? 7 : 127;
      for (const [i, value] of values.entries()) {
        const row = values.filter((_, k) => grid === 'int8-tensor' || k % 3 === i % 3);
        const step = Math.max(2 ** -30, ...row.map((each) => Math.abs(each) / largest));
        expect(Math.abs((rounded[i] as number) - value)).toBeLessThanOrEqual(step * 0.5001);
      }
      const again = roundToGrid(tensorOf([4, 3], [...rounded]), grid);
      for (const [i, value] of again.entries()) expect(value).toBeCloseTo(rounded[i] as number, 5);
    }),
  );
});
