import { expect, test } from 'vitest';
import type { Tensor } from '../../src/model/index.js';
import { type Op, patchModel, patchRange } from '../../src/payload/index.js';
import { saturate } from '../../src/train/saturate.js';
import { createRandom, seededBytes } from '../support.js';

const ELEMENTS = 300;
const RANGES = { int8: [-128, 127], uint8: [0, 255] } as const;

const integersOf = ({ dtype, bytes }: Tensor): number[] =>
  Array.from(dtype === 'int8' ? new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length) : bytes);

function randomOp(kind: 'hash' | 'sparse' | 'dense', random: () => number): Op {
  const level = (): number => (random() % 41) - 20 || 1;
  const scale = 1 + (random() % 8);
  if (kind === 'dense')
    return { kind, tensor: 'a', scale, levels: Int8Array.from({ length: ELEMENTS }, level) };
  if (kind === 'sparse') {
    const positions = Uint32Array.from({ length: ELEMENTS / 3 }, (_, i) => 3 * i + (random() % 3));
    return { kind, tensor: 'a', scale, positions, levels: Int16Array.from(positions, level) };
  }
  const values = Int8Array.from({ length: 50 }, () => (random() % 3) - 1);
  const tensors = [{ tensor: 'a', scale: 10 + 2 * scale }];
  return { kind, tensors, seed: random(), block: 8, buckets: { coding: 'levels', values } };
}

/** What ops make of a tensor when nothing wraps. */
function unwrapped(ops: readonly Op[], tensor: Tensor): number[] {
  const sums = Int32Array.from(integersOf(tensor));
  const bytes = new Uint8Array(sums.buffer);
  patchRange(ops, { ...tensor, dtype: 'int32' }, { startElement: 0, bytes });
  return [...sums];
}

test.each(
  (['hash', 'sparse', 'dense'] as const).flatMap((kind) =>
    (['int8', 'uint8'] as const).map((dtype) => [kind, dtype] as const),
  ),
)('saturate() keeps the sums of a %s op within %s, and others as they are', (kind, dtype) => {
  const [least, most] = RANGES[dtype];
  const random = createRandom(11);
  let ends = 0;
  for (let seed = 1; seed <= 20; seed++) {
    const tensor: Tensor = { name: 'a', dtype, shape: [ELEMENTS], bytes: seededBytes(seed, ELEMENTS) };
    const model = { tensors: [tensor] };
    const op = randomOp(kind, random);
    const quantization = new Map([['a', { scale: 0.5 }]]);
    const ops = saturate([op], { model, tensors: [tensor], trainable: new Map(), quantization });
    const [patched] = patchModel(model, { ops }).tensors as [Tensor];
    const wanted = unwrapped([op], tensor);
    const step = kind === 'hash' ? 1 : (op as { scale: number }).scale;
    for (const [i, integer] of integersOf(patched).entries()) {
      const sum = wanted[i] as number;
      if (sum >= least && sum <= most) {
        expect(integer).toBe(sum);
        continue;
      }
      ends++;
      // As close to the end as whole levels get.
      expect(sum < least ? integer - least : most - integer).toBeLessThan(step);
    }
  }
  expect(ends).toBeGreaterThan(50);
});

test('saturate() leaves ops alone for tensors whose integers stand for themselves', () => {
  const tensor: Tensor = { name: 'a', dtype: 'int8', shape: [2], bytes: Uint8Array.of(127, 127) };
  const op: Op = { kind: 'dense', tensor: 'a', scale: 1, levels: Int8Array.of(5, 5) };
  const base = {
    model: { tensors: [tensor] },
    tensors: [tensor],
    trainable: new Map(),
    quantization: new Map(),
  };
  expect(saturate([op], base)).toEqual([op]);
});
