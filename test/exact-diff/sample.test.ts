import { describe, expect, test } from 'vitest';
import { piecesOf } from '../../src/exact-diff/encode-groups.js';
import { DTYPES, elementCount, type TensorInfo } from '../../src/model/tensor.js';

const tensor = (shape: number[], dtype: TensorInfo['dtype'] = 'float32'): TensorInfo => {
  return { name: 'w', dtype, shape };
};

describe('piecesOf()', () => {
  test.each([[[]], [[1]], [[300, 400]], [[3, 3, 64, 128]]])('covers all of a tensor %j', (shape) => {
    const info = tensor(shape);
    const bytes = elementCount(info) * DTYPES.float32.bytes;
    expect(piecesOf(info, 1)).toEqual([{ info, start: 0, end: bytes }]);
  });

  test.each([
    [[4_096, 4_096], 1_000],
    [[4_096, 4_096], 4_096 * 4_096],
    [[7, 1_000_003], 50_000],
    [[9, 5, 3, 50_000], 9 * 5 * 3 * 50_000],
  ])('takes whole rows of %j with %i changes, from the first to the last ones', (shape, count) => {
    const info = tensor(shape, 'float16');
    const pieces = piecesOf(info, count);
    expect([pieces.length, pieces[0]?.start, pieces.at(-1)?.end]).toEqual([8, 0, 2 * elementCount(info)]);
    for (const piece of pieces) {
      expect(piece.info.shape.length).toBe(shape.length);
      expect(piece.end - piece.start).toBe(2 * elementCount(piece.info));
      expect(elementCount(piece.info)).toBeLessThanOrEqual(2 ** 17);
    }
  });

  test('samples less of a tensor in which all elements change', () => {
    const info = tensor([4_096, 4_096]);
    const sizeOf = (count: number): number =>
      elementCount((piecesOf(info, count)[0] as { info: TensorInfo }).info);
    expect([sizeOf(1_000), sizeOf(4_096 * 4_096)]).toEqual([2 ** 17, 2 ** 15]);
  });
});
