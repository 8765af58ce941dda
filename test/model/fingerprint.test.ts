import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { equalBytes, hex } from '../../src/model/bytes.js';
import { fingerprint, joinDigests, sha256, TensorDigest } from '../../src/model/fingerprint.js';
import { CHUNK_BYTES } from '../../src/model/limits.js';
import { openMemoryStore } from '../../src/model/store.js';
import { DTYPES, type Model, type Tensor } from '../../src/model/tensor.js';
import {
  cloneModel,
  concat,
  offsetView,
  recordStore,
  sampleModel,
  seededBytes,
  seededTensor,
} from '../support.js';

const sha = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash('sha256').update(bytes).digest());

const uint32 = (value: number): Uint8Array => {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
};

/** The digest of a tensor as docs/FORMAT.md words it, with another SHA-256. */
function tensorByDefinition({ name, dtype, shape, bytes }: Tensor): Uint8Array {
  const hash = createHash('sha256').update('neural-diff tensor\n', 'ascii');
  hash.update(uint32(Buffer.byteLength(name))).update(name, 'utf8');
  hash.update(Uint8Array.of(DTYPES[dtype].code, shape.length));
  for (const size of shape) hash.update(uint32(size));
  for (let at = 0; at < bytes.length; at += 1_048_576) hash.update(sha(bytes.subarray(at, at + 1_048_576)));
  return new Uint8Array(hash.digest());
}

function modelByDefinition(model: Model): string {
  const ordered = [...model.tensors].sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
  const hash = createHash('sha256').update('neural-diff model\n', 'ascii').update(uint32(ordered.length));
  for (const tensor of ordered) hash.update(tensorByDefinition(tensor));
  return hash.digest('hex').slice(0, 32);
}

const identify = async (model: Model): Promise<string> => await fingerprint(openMemoryStore(model));

const change = (fields: Partial<Tensor>, index = 0): Model => ({
  tensors: sampleModel().tensors.map((tensor, i) => (i === index ? { ...tensor, ...fields } : tensor)),
});

test('fingerprint() equals a digest computed from the definition', async () => {
  expect(await identify(sampleModel())).toBe(modelByDefinition(sampleModel()));
  expect(await identify({ tensors: [] })).toBe(modelByDefinition({ tensors: [] }));
});

test('fingerprint() equals the definition for any small model', async () => {
  const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 6 });
  const shape = fc.array(fc.nat({ max: 4 }), { maxLength: 4 });
  const dtype = fc.constantFrom(...(Object.keys(DTYPES) as (keyof typeof DTYPES)[]));
  const tensor = fc
    .record({ name, shape, dtype, seed: fc.nat() })
    .map(({ name, shape, dtype, seed }) => seededTensor(name, dtype, shape, seed));
  const models = fc.uniqueArray(tensor, { selector: ({ name }) => name, maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(models, async (tensors) => {
      expect(await identify({ tensors })).toBe(modelByDefinition({ tensors }));
    }),
  );
});

test('fingerprint() is the same in whatever order a container lists the tensors', async () => {
  const expected = await identify(sampleModel());
  await fc.assert(
    fc.asyncProperty(fc.shuffledSubarray([...sampleModel().tensors], { minLength: 9 }), async (tensors) => {
      expect(await identify({ tensors })).toBe(expected);
    }),
    { numRuns: 20 },
  );
});

test('fingerprint() reads tensors that are views with an offset', async () => {
  const tensors = sampleModel().tensors.map((tensor) => ({ ...tensor, bytes: offsetView(tensor.bytes) }));
  expect(await identify({ tensors })).toBe(await identify(sampleModel()));
});

describe('fingerprint() changes with', () => {
  const changed: readonly [string, Model][] = [
    ['a name', change({ name: 'conv/kernel2' })],
    ['a dtype of the same size', change({ dtype: 'int32' })],
    ['a shape of the same size', change({ shape: [3, 3, 4, 2] })],
    ['a shape of one dimension more', change({ shape: [1, 3, 3, 2, 4] })],
    ['a scalar that becomes a list of one', change({ shape: [1] }, 7)],
    ['the shape of an empty tensor', change({ shape: [3, 0] }, 8)],
    ['two names that change places', { tensors: swapNames(sampleModel().tensors) }],
    ['a tensor less', { tensors: sampleModel().tensors.slice(0, -1) }],
    ['an empty tensor more', { tensors: [...sampleModel().tensors, seededTensor('x', 'int8', [0])] }],
  ];
  test.each(changed)('%s', async (_, model) => {
    expect(await identify(model)).not.toBe(await identify(sampleModel()));
  });

  test('any bit of any byte', async () => {
    const seen = new Set([await identify(sampleModel())]);
    const model = cloneModel(sampleModel());
    let count = 1;
    for (const { bytes } of model.tensors) {
      for (let i = 0; i < bytes.length; i++, count++) {
        const bit = 1 << (i % 8);
        bytes[i] = (bytes[i] as number) ^ bit;
        seen.add(await identify(model));
        bytes[i] = (bytes[i] as number) ^ bit;
      }
    }
    expect(seen.size).toBe(count);
  });
});

function swapNames([first, second, ...rest]: readonly Tensor[]): Tensor[] {
  const [a, b] = [first as Tensor, second as Tensor];
  return [{ ...a, name: b.name }, { ...b, name: a.name }, ...rest];
}

test.each([-1, 0, 1, 7, CHUNK_BYTES, CHUNK_BYTES + 1])(
  'fingerprint() cuts a tensor of 2^20 %+d bytes into chunks as defined',
  async (extra) => {
    const length = CHUNK_BYTES + extra;
    const bytes = seededBytes(3, length);
    const model: Model = { tensors: [{ name: 'a', dtype: 'int8', shape: [length], bytes }] };
    const store = recordStore(openMemoryStore(model));
    const progress: number[] = [];
    const digest = await fingerprint(store, { onProgress: ({ done }) => progress.push(done) });
    expect(digest).toBe(modelByDefinition(model));
    expect(store.counts.reads).toBe(Math.ceil(length / CHUNK_BYTES));
    expect(progress).toHaveLength(store.counts.reads);
    expect(progress.at(-1)).toBe(length);
  },
);

test('fingerprint() stops at an aborted signal with its reason', async () => {
  const reason = new Error('enough');
  const store = recordStore(openMemoryStore(sampleModel()));
  await expect(fingerprint(store, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  expect(store.counts.reads).toBe(0);
});

test('fingerprint() takes another SHA-256', async () => {
  let calls = 0;
  const counting = async (bytes: Uint8Array) => {
    calls++;
    return sha(bytes);
  };
  const digest = await fingerprint(openMemoryStore(sampleModel()), { sha256: counting });
  expect(digest).toBe(await identify(sampleModel()));
  // Eight tensors with bytes, one without: a digest a tensor, one a chunk, one for the model.
  expect(calls).toBe(9 + 8 + 1);
});

test('TensorDigest and joinDigests() give what fingerprint() gives', async () => {
  const tensor = seededTensor('a', 'float32', [5]);
  const digest = new TensorDigest(tensor, sha256);
  await digest.add(tensor.bytes);
  const found = await digest.finish();
  expect(found).toEqual(tensorByDefinition(tensor));
  expect(await joinDigests([found], sha256)).toBe(await identify({ tensors: [tensor] }));
});

test('hex() writes two lower-case digits a byte', () => {
  expect(hex(Uint8Array.of(0, 10, 255))).toBe('000aff');
});

test('equalBytes() compares length and every byte', () => {
  expect(equalBytes(Uint8Array.of(1, 2), offsetView(Uint8Array.of(1, 2)))).toBe(true);
  expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false);
  expect(equalBytes(Uint8Array.of(1, 2), concat([1, 2, 0]))).toBe(false);
  expect(equalBytes(new Uint8Array(), new Uint8Array())).toBe(true);
});
