import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compileDecoding, createSegmentDecoder } from '../../../src/apply/fast/segment-decoder.js';
import { DTYPES, type DType, elementCount, type TensorInfo } from '../../../src/model/tensor.js';
import { PlainSegmentDecoder } from '../../../src/payload/delta/decoder.js';
import { elementsOf } from '../../../src/payload/delta/elements.js';
import { chooseModel } from '../../../src/payload/delta/models.js';
import { DeltaReader } from '../../../src/payload/delta/reader.js';
import { DeltaWriter } from '../../../src/payload/delta/writer.js';
import { seededBytes } from '../../support.js';

const module = compileDecoding();
const WORDS: readonly DType[] = [
  ...(['float32', 'float16', 'bfloat16', 'int8', 'uint8', 'int32', 'int16', 'uint16', 'uint32'] as const),
];

interface Case {
  readonly info: TensorInfo;
  readonly base: Uint8Array;
  readonly next: Uint8Array;
}

/** @returns bytes of which some differ: in every element, in a few, in some rows, or in all bits */
function changed(
  base: Uint8Array,
  { seed, kind, step }: { seed: number; kind: number; step: number },
): Uint8Array {
  const noise = seededBytes(seed, base.length);
  if (kind === 3) return noise;
  return base.map((byte, i) => {
    if (kind === 1 && (noise[i] as number) > 20) return byte;
    if (kind === 2 && Math.floor(i / step / 64) % 3 === 0) return byte;
    return i % step === 0 ? byte ^ ((noise[i] as number) & 15) : byte;
  });
}

const cases = fc
  .record({
    dtype: fc.constantFrom(...WORDS),
    shape: fc.constantFrom([5_003], [64, 70], [3, 3, 40, 16], [262_144 + 4_100], [300, 1_000]),
    seed: fc.nat(1_000),
    kind: fc.nat(3),
  })
  .map(({ dtype, shape, seed, kind }): Case => {
    const info = { name: 'a', dtype, shape };
    const step = DTYPES[dtype].bytes;
    const base = seededBytes(seed, elementCount(info) * step);
    // Weights have few exponents.
    if (seed % 2 === 0)
      for (let i = step - 1; i < base.length; i += step) base[i] = ((base[i] as number) & 0x83) | 0x3c;
    return { info, base, next: changed(base, { seed: seed + 1, kind, step }) };
  });

function encode({ info, base, next }: Case): Uint8Array {
  const [from, to] = [elementsOf(info, base), elementsOf(info, next)];
  const elements = Math.min(2 ** 18, from.words.length);
  const part = (all: typeof from) => ({ ...all, words: all.words.subarray(0, elements) });
  const scope = { form: from.form, shape: info.shape, first: 0, elements };
  const { model } = chooseModel([{ pair: { base: part(from), next: part(to) }, scope }]);
  const pieces: Uint8Array[] = [];
  const writer = new DeltaWriter([info], [{ info, model }], {
    sink: (bytes) => void pieces.push(bytes.slice()),
  });
  writer.write(info, { byteOffset: 0, before: base, after: next });
  return Buffer.concat(pieces);
}

test('the decoder in WebAssembly gives the bits of plain arithmetic, whatever the runs', () => {
  const runs = fc.array(fc.integer({ min: 1, max: 20_000 }), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(cases, runs, (each, lengths) => {
      const record = encode(each);
      const size = DTYPES[each.info.dtype].bytes;
      for (const decoder of [new PlainSegmentDecoder(), createSegmentDecoder(module)]) {
        const reader = new DeltaReader(record, [each.info], decoder);
        const result = each.base.slice();
        for (let [at, i] = [0, 0]; at < result.length; i++) {
          const run = result.subarray(at, at + (lengths[i % lengths.length] as number) * size);
          run.set(reader.read(each.info, at / size, run).bytes);
          at += run.length;
        }
        reader.decoder.expectEnd();
        expect(Buffer.compare(result, each.next)).toBe(0);
      }
    }),
    { numRuns: 40 },
  );
});
