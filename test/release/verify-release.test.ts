import { expect, test } from 'vitest';
import { NeuralDiffError } from '../../src/model/errors.js';
import { verifyByNoble } from '../../src/release/ed25519.js';
import { canonicalJson, type Json, type JsonObject } from '../../src/release/json.js';
import { encodeStatement, type ReleaseStatement } from '../../src/release/statement.js';
import { verifyRelease } from '../../src/release/verify-release.js';
import { offsetView } from '../support.js';
import { envelope, expectCode, sampleStatement, testKey } from './maker.js';

const [one, two, stranger] = [testKey(1), testKey(2), testKey(3)];
const now = () => new Date('2026-11-21T00:00:00Z');
const trusted = { keys: [one.key, two.key], threshold: 2, now };

const full = sampleStatement({
  deviceClasses: ['phone', 'watch'],
  golden: { name: 'golden.npz', bytes: 1000, sha256: 'a'.repeat(64) },
  allowsRollbackFrom: 7,
});
const file = envelope(encodeStatement(full), [one, two]);

/** Signs a statement with fields that the writer would not write. */
const bent = (changes: JsonObject, statement: ReleaseStatement = full): Uint8Array => {
  const fields = { ...encodeStatement(statement), ...changes };
  const kept = Object.entries(fields).filter(([, value]) => value !== undefined);
  return envelope(Object.fromEntries(kept), [one, two]);
};

test('verifyRelease() returns the signed statement, with both verifiers', async () => {
  expect(await verifyRelease(offsetView(file), trusted)).toEqual(full);
  expect(await verifyRelease(file, { ...trusted, ed25519: verifyByNoble })).toEqual(full);
  const plain = sampleStatement();
  expect(await verifyRelease(envelope(encodeStatement(plain), [two]), { ...trusted, threshold: 1 })).toEqual(
    plain,
  );
});

test('verifyRelease() returns a full model, which has no base', async () => {
  const { base: _, formatVersion: __, ...rest } = sampleStatement({ kind: 'full', name: 'v2.safetensors' });
  expect(await verifyRelease(envelope(encodeStatement(rest), [one, two]), trusted)).toEqual(rest);
});

test('verifyRelease() refuses fewer signatures than the threshold', async () => {
  const signed = encodeStatement(full);
  const forged = { ...two, sign: stranger.sign };
  for (const keys of [[], [one], [one, one], [one, stranger], [one, forged], [stranger, testKey(4)]])
    await expectCode(verifyRelease(envelope(signed, keys), trusted), 'signature-invalid');
});

test('verifyRelease() counts a key once that is handed over twice', async () => {
  const twice = { ...trusted, keys: [one.key, { ...one.key }] };
  await expectCode(verifyRelease(envelope(encodeStatement(full), [one]), twice), 'signature-invalid');
});

test.each([0, 3, 1.5, Number.NaN])(
  'verifyRelease() takes no threshold of %s for two keys',
  async (threshold) => {
    await expect(verifyRelease(file, { ...trusted, threshold })).rejects.toThrow(RangeError);
  },
);

test('verifyRelease() refuses every byte flipped in every bit, and every truncation', {
  timeout: 300_000,
}, async () => {
  // A release with one signature of one key: none is to spare.
  const small = envelope(encodeStatement(sampleStatement()), [one]);
  const options = { keys: [one.key], now };
  await verifyRelease(small, options);
  for (let at = 0; at < small.length; at++) {
    await expectRefusal(verifyRelease(small.subarray(0, at), options));
    for (let bit = 0; bit < 8; bit++) {
      const flipped = small.slice();
      flipped[at] = (flipped[at] as number) ^ (1 << bit);
      await expectRefusal(verifyRelease(flipped, options));
    }
  }
});

test('verifyRelease() refuses bytes behind it, spaces in it, and other ways to write the same', async () => {
  const text = new TextDecoder().decode(file);
  const rewritten = [
    `${text}\n`,
    ` ${text}`,
    text.replace(':', ': '),
    JSON.stringify(JSON.parse(text), null, 1),
  ];
  const keyid = text.replace(
    /"keyid":"(.)/,
    (_, digit) => `"keyid":"\\u00${digit.charCodeAt(0).toString(16)}`,
  );
  for (const other of [...rewritten, keyid, text.replace('{"signatures"', '{"signatures":[],"signatures"')])
    await expectCode(verifyRelease(new TextEncoder().encode(other), trusted), 'metadata-corrupt');
});

async function expectRefusal(work: Promise<unknown>): Promise<void> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(NeuralDiffError);
}

test('verifyRelease() refuses a statement whose date has passed', async () => {
  const expires = new Date('2026-11-21T00:00:00Z');
  const old = envelope(encodeStatement({ ...full, expires }), [one, two]);
  await expectCode(verifyRelease(old, trusted), 'metadata-expired');
  await verifyRelease(old, { ...trusted, now: () => new Date(expires.getTime() - 1) });
});

test('verifyRelease() looks at nothing of a statement before its signatures hold', async () => {
  const hostile = envelope({ _type: 5, counter: [] }, [stranger]);
  await expectCode(verifyRelease(hostile, trusted), 'signature-invalid');
  await expectCode(verifyRelease(envelope({ _type: 5 }, [one, two]), trusted), 'metadata-corrupt');
});

test('verifyRelease() refuses versions to come by a code of their own', async () => {
  await expectCode(verifyRelease(bent({ version: 2 }), trusted), 'unsupported-version');
});

test('verifyRelease() ignores fields that it does not know', async () => {
  expect(await verifyRelease(bent({ notes: ['faster'] }), trusted)).toEqual(full);
});

const missing = undefined as unknown as Json;
test.each<[string, JsonObject]>([
  ['another type', { _type: 'targets' }],
  ['no kind', { kind: missing }],
  ['another kind', { kind: 'partial' }],
  ['no base', { base: missing }],
  ['a base of capitals', { base: 'A'.repeat(32) }],
  ['a base that is too long', { base: '0'.repeat(33) }],
  ['a next of another type', { next: 5 }],
  ['a name that leads elsewhere', { name: '../v2.ndiff' }],
  ['a name that is hidden', { name: '.v2' }],
  ['a name that is too long', { name: 'a'.repeat(129) }],
  ['a negative length', { bytes: -1 }],
  ['a length beyond everything', { bytes: 2 ** 50 }],
  ['a length in a text', { bytes: '5' }],
  ['no hash', { sha256: missing }],
  ['a hash that is too short', { sha256: 'a'.repeat(63) }],
  ['a counter of 0', { counter: 0 }],
  ['no counter', { counter: missing }],
  ['a counter that is true', { counter: true }],
  ['no date', { expires: 'soon' }],
  ['a day that no month has', { expires: '2027-02-30T00:00:00Z' }],
  ['a date of another zone', { expires: '2027-05-01T00:00:00+01:00' }],
  ['no metrics', { metrics: missing }],
  ['a metric that is a number', { metrics: { accuracy: 1 } }],
  ['a metric that is no number', { metrics: { accuracy: 'Infinity' } }],
  ['a metric in hexadecimal', { metrics: { accuracy: '0x10' } }],
  ['a metric beyond all numbers', { metrics: { accuracy: '1e999' } }],
  ['a metric without a name', { metrics: { '': '1' } }],
  ['no device class in the list', { deviceClasses: [] }],
  ['a device class twice', { deviceClasses: ['a', 'a'] }],
  ['a device class that is a number', { deviceClasses: [1] }],
  ['device classes in a text', { deviceClasses: 'phone' }],
  ['golden inputs without a hash', { golden: { name: 'g', bytes: 1 } }],
  ['golden inputs elsewhere', { golden: { name: '/etc/passwd', bytes: 1, sha256: 'a'.repeat(64) } }],
  ['permission for everything', { allowsRollbackFrom: true }],
])('verifyRelease() refuses %s', async (_, changes) => {
  await expectCode(verifyRelease(bent(changes), trusted), 'metadata-corrupt');
});

test('encodeStatement() writes nothing that would not be read again', async () => {
  for (const changes of [
    { counter: 0 },
    { expires: new Date(Number.NaN) },
    { metrics: { accuracy: Number.NaN } },
  ])
    await expectCode(() => encodeStatement(sampleStatement(changes)), 'metadata-corrupt');
  for (const value of [
    0,
    -0.5,
    1e-7,
    0.1 + 0.2,
    1.2345678901234567e-6,
    1e21,
    Number.MAX_VALUE,
    Number.MIN_VALUE,
  ]) {
    const signed = encodeStatement(sampleStatement({ metrics: { value }, deviceClasses: undefined }));
    const { metrics } = await verifyRelease(envelope(signed, [one, two]), trusted);
    expect(metrics).toEqual({ value });
    expect(canonicalJson(signed).length).toBeGreaterThan(100);
  }
});
