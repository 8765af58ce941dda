import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concatBytes } from '../../src/model/bytes.js';
import { Contexts, codeWide, FAST, MagnitudeCoding, NumberCoding, SLOW } from '../../src/payload/coding.js';
import { RangeDecoder } from '../../src/payload/range-decoder.js';
import { RangeEncoder } from '../../src/payload/range-encoder.js';
import { codeOf, createRandom, offsetView } from '../support.js';

/** A decision with a context, or raw bits. */
type Step =
  | { readonly index: number; readonly bit: number }
  | { readonly width: number; readonly value: number };

const decision = fc.record({ index: fc.nat({ max: 3 }), bit: fc.nat({ max: 1 }) });
const skewed = fc.record({ index: fc.nat({ max: 3 }), bit: fc.constant(1) });
const rawBits = fc
  .nat({ max: 16 })
  .chain((width) => fc.record({ width: fc.constant(width), value: fc.nat({ max: 2 ** width - 1 }) }));
const steps: fc.Arbitrary<Step[]> = fc.oneof(
  fc.array(fc.oneof(decision, rawBits), { maxLength: 400 }),
  fc.array(fc.oneof({ weight: 40, arbitrary: skewed }, decision, rawBits), { maxLength: 2_000, size: 'max' }),
);

function encode(list: readonly Step[], limit: number): Uint8Array {
  const encoder = new RangeEncoder();
  const contexts = new Contexts(4, limit);
  for (const step of list) {
    if ('bit' in step) encoder.bit(contexts, step.index, step.bit);
    else encoder.raw(step.width, step.value);
  }
  return encoder.finish();
}

function expectDecoded(bytes: Uint8Array, list: readonly Step[], limit: number): void {
  const decoder = new RangeDecoder(offsetView(bytes));
  const contexts = new Contexts(4, limit);
  list.forEach((step, i) => {
    const [found, expected] =
      'bit' in step ? [decoder.bit(contexts, step.index), step.bit] : [decoder.raw(step.width), step.value];
    if (found !== expected) expect.fail(`step ${i}: expected ${expected}, got ${found}`);
  });
  decoder.expectEnd();
}

test.each([4, FAST, SLOW])(
  'RangeDecoder gives back what RangeEncoder wrote, and its end: limit %d',
  (limit) => {
    fc.assert(
      fc.property(steps, (list) => {
        const bytes = encode(list, limit);
        expect(bytes.at(-1)).not.toBe(0);
        expectDecoded(bytes, list, limit);
      }),
      { numRuns: 300 },
    );
  },
);

/**
 * Numbers that stand for some steps, in whole numbers of any size: from `low` on, as many as `range`, of
 * `bits` bits.
 */
class Interval {
  readonly #contexts = new Contexts(4, SLOW);
  low = 0n;
  range = 1n << 30n;
  bits = 32n;

  take(step: Step): void {
    if ('bit' in step) this.#decide(step);
    else this.#takeRaw(step);
    for (; this.range < 1n << 22n; this.bits += 8n) {
      this.range <<= 8n;
      this.low <<= 8n;
    }
  }

  #decide({ index, bit }: { index: number; bit: number }): void {
    const ones = this.#contexts.counts[2 * index] as number;
    const total = ones + (this.#contexts.counts[2 * index + 1] as number);
    const bound = (this.range / BigInt(total)) * BigInt(ones);
    if (bit === 0) this.low += bound;
    this.range = bit === 1 ? bound : this.range - bound;
    this.#contexts.update(index, bit);
  }

  #takeRaw({ width, value }: { width: number; value: number }): void {
    const unit = this.range >> BigInt(width);
    this.low += BigInt(value) * unit;
    this.range = value === 2 ** width - 1 ? this.range - BigInt(value) * unit : unit;
  }

  /** Checks that some bytes, with zeros behind them, are one of the numbers. */
  expectInside(bytes: Uint8Array): void {
    let value = 0n;
    for (let at = 0n; at < this.bits; at += 8n) value = (value << 8n) | BigInt(bytes[Number(at / 8n)] ?? 0);
    expect(BigInt(bytes.length) * 8n).toBeLessThanOrEqual(this.bits);
    expect(value >= this.low && value < this.low + this.range).toBe(true);
  }
}

test('RangeEncoder writes one of the numbers that arithmetic without bounds gives', () => {
  fc.assert(
    fc.property(steps, (list) => {
      const interval = new Interval();
      for (const step of list) interval.take(step);
      interval.expectInside(encode(list, SLOW));
    }),
  );
});

test.each([40, 400, 4_000])('RangeEncoder carries through a run of 255 of %d bits', (length) => {
  // Odds of 3 to 1, then halves: those that hold a third of the range, until the last step goes above it.
  const list: Step[] = [1, 1].map((bit) => ({ index: 0, bit }));
  const interval = new Interval();
  for (const step of list) interval.take(step);
  const barrier = (): bigint => 1n << (interval.bits - 4n);
  const isAbove = () => interval.low + (interval.range >> 1n) > barrier();
  while (list.length < length || !isAbove()) {
    if (list.length > 2 * length) expect.fail('the numbers left the barrier behind');
    const step = { width: 1, value: isAbove() ? 0 : 1 };
    interval.take(step);
    list.push(step);
  }
  // Below the barrier a run of 255; the last step moves the number above it.
  const below = encode([...list, { width: 1, value: 0 }], SLOW);
  expect(below.filter((byte) => byte === 255).length).toBeGreaterThan(length / 8 - 3);
  interval.take({ width: 1, value: 1 });
  list.push({ width: 1, value: 1 }, { width: 8, value: 0x55 });
  interval.take({ width: 8, value: 0x55 });
  const bytes = encode(list, SLOW);
  interval.expectInside(bytes);
  expectDecoded(bytes, list, SLOW);
  expect(bytes[0]).toBe(0x10);
  expect(bytes.filter((byte) => byte === 0).length).toBeGreaterThan(length / 8 - 4);
});

test('RangeEncoder leaves zeros at the end out, and writes nothing at all for the likeliest start', () => {
  const ones = Array.from({ length: 50 }, (): Step => ({ index: 0, bit: 1 }));
  expect(encode(ones, SLOW)).toHaveLength(0);
  expectDecoded(new Uint8Array(), ones, SLOW);
  expect(encode([], SLOW)).toHaveLength(0);
});

test('RangeEncoder.cost grows with every step and ends within a byte of the bytes', () => {
  fc.assert(
    fc.property(steps, (list) => {
      const encoder = new RangeEncoder();
      const contexts = new Contexts(4, SLOW);
      let before = encoder.cost;
      const start = before;
      for (const step of list) {
        if ('bit' in step) encoder.bit(contexts, step.index, step.bit);
        else encoder.raw(step.width, step.value);
        expect(encoder.cost).toBeGreaterThanOrEqual(before);
        before = encoder.cost;
      }
      expect(encoder.finish().length).toBeLessThanOrEqual(Math.ceil((before - start) / 8) + 1);
    }),
    { numRuns: 50 },
  );
});

test('RangeEncoder gives a sink, as it goes, what it gives at the end without one, zeros among it', () => {
  const random = createRandom(3);
  // Raw zeros by the thousands: those at the end must not reach the sink.
  const steps = Array.from({ length: 60_000 }, (_, i): Step => {
    return { width: 16, value: i % 20_000 < 12_000 || i > 59_000 ? 0 : random() & 0xffff };
  });
  const pieces: Uint8Array[] = [];
  const [plain, sinking] = [new RangeEncoder(), new RangeEncoder((bytes) => pieces.push(bytes.slice()))];
  for (const step of steps)
    for (const encoder of [plain, sinking]) if ('width' in step) encoder.raw(step.width, step.value);
  expect(sinking.cost).toBe(plain.cost);
  expect(pieces.length).toBeGreaterThan(0);
  pieces.push(sinking.finish());
  expect(concatBytes(pieces)).toEqual(plain.finish());
});

describe('RangeDecoder refuses', () => {
  const some = Array.from({ length: 20 }, (_, i): Step => ({ width: 8, value: 10 * i }));
  const read = (bytes: Uint8Array) => {
    const decoder = new RangeDecoder(bytes);
    for (let i = 0; i < some.length; i++) decoder.raw(8);
    decoder.expectEnd();
  };

  test('nothing of what an encoder wrote', () => read(encode(some, SLOW)));
  test('a first byte of 64 and above', async () => {
    for (const first of [0x40, 0x80, 0xff])
      expect(await codeOf(() => new RangeDecoder(Uint8Array.of(first)))).toBe('corrupt-payload');
    expect(new RangeDecoder(Uint8Array.of(0x3f, 0xff, 0xff, 0xff)).raw(8)).toBe(255);
  });
  test('bytes that are left over', async () => {
    const bytes = encode(some, SLOW);
    const longer = Uint8Array.of(...bytes, 1, 2, 3, 4, 5);
    expect(await codeOf(() => read(longer))).toBe('corrupt-payload');
  });
  test('a zero at the end', async () => {
    expect(await codeOf(() => read(Uint8Array.of(...encode(some, SLOW), 0)))).toBe('corrupt-payload');
    expect(await codeOf(() => new RangeDecoder(Uint8Array.of(0)).expectEnd())).toBe('corrupt-payload');
  });
});

test('RangeDecoder reads any bytes without end: what is missing counts as zeros', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20 }), (bytes) => {
      const start = Uint8Array.of(0x3f, ...bytes);
      const decoder = new RangeDecoder(start);
      const padded = new RangeDecoder(Uint8Array.of(...start, ...new Uint8Array(200)));
      const [a, b] = [new Contexts(4, FAST), new Contexts(4, FAST)];
      for (let i = 0; i < 100; i++) {
        expect(decoder.bit(a, i & 3)).toBe(padded.bit(b, i & 3));
        expect(decoder.raw(i & 15)).toBe(padded.raw(i & 15));
      }
    }),
  );
});

test('Contexts halve both counts, odd as they are, when their sum exceeds the limit', () => {
  const contexts = new Contexts(2, 16);
  for (let i = 0; i < 7; i++) contexts.update(1, 1);
  expect([...contexts.counts]).toEqual([1, 1, 15, 1]);
  contexts.update(1, 0);
  // 15 + 3 is above 16: (15 >> 1) | 1 and (3 >> 1) | 1.
  expect([...contexts.counts]).toEqual([1, 1, 7, 1]);
  contexts.update(1, 1);
  expect([...contexts.counts]).toEqual([1, 1, 9, 1]);
});

test('Contexts stay odd, and their sum within the limit, whatever they count', () => {
  fc.assert(
    fc.property(fc.constantFrom(4, 10, FAST, SLOW), fc.array(fc.nat({ max: 1 })), (limit, bits) => {
      const contexts = new Contexts(1, limit);
      for (const bit of bits) {
        contexts.update(0, bit);
        const [ones, zeros] = contexts.counts as unknown as [number, number];
        expect(ones % 2).toBe(1);
        expect(zeros % 2).toBe(1);
        expect(ones + zeros).toBeLessThanOrEqual(limit);
      }
    }),
  );
});

test('codeWide() returns numbers of up to 32 bits, the lowest bits of larger ones', () => {
  const input = fc.tuple(fc.nat({ max: 32 }), fc.maxSafeNat());
  fc.assert(
    fc.property(fc.array(input), (list) => {
      const encoder = new RangeEncoder();
      for (const [width, value] of list) codeWide(encoder, width, value);
      const decoder = new RangeDecoder(encoder.finish());
      for (const [width, value] of list) expect(codeWide(decoder, width, 0)).toBe(value % 2 ** width);
      decoder.expectEnd();
    }),
  );
});

const EDGES = [0, 1, 2, 3, 14, 15, 16, 2 ** 16 - 2, 2 ** 16 - 1, 2 ** 16, 2 ** 31, 2 ** 32 - 2, 2 ** 32 - 1];

test('NumberCoding returns numbers from 0 to 2^32 - 1', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.constantFrom(...EDGES), fc.nat({ max: 0xffffffff }))), (list) => {
      const encoder = new RangeEncoder();
      const numbers = new NumberCoding(encoder, SLOW);
      for (const number of [...EDGES, ...list]) numbers.code(number);
      const decoder = new RangeDecoder(encoder.finish());
      const decoded = new NumberCoding(decoder, SLOW);
      for (const number of [...EDGES, ...list]) expect(decoded.code()).toBe(number);
      decoder.expectEnd();
    }),
  );
});

test('NumberCoding refuses 2^32 and above: no two codes are the same number modulo 2^32', async () => {
  for (const number of [2 ** 32, 2 ** 32 + 1, 2 ** 33 - 2]) {
    const encoder = new RangeEncoder();
    const contexts = new Contexts(32, SLOW);
    for (let width = 0; width < 32; width++) encoder.bit(contexts, width, 1);
    codeWide(encoder, 32, number + 1);
    const decoder = new RangeDecoder(encoder.finish());
    expect(await codeOf(() => new NumberCoding(decoder, SLOW).code())).toBe('corrupt-payload');
  }
});

test('MagnitudeCoding returns magnitudes from 1 on, those from 15 on with an escape', () => {
  const magnitudes = [1, 2, 3, 13, 14, 15, 16, 17, 30, 127, 128, 32_767, 2 ** 32 - 1];
  const encoder = new RangeEncoder();
  const coding = new MagnitudeCoding(encoder, FAST);
  for (const magnitude of magnitudes) coding.code(magnitude);
  const decoder = new RangeDecoder(encoder.finish());
  const decoded = new MagnitudeCoding(decoder, FAST);
  for (const magnitude of magnitudes) expect(decoded.code()).toBe(magnitude);
  decoder.expectEnd();
});
