import fc from 'fast-check';
import { expect, test } from 'vitest';
import { NeuralDiffError } from '../../src/model/errors.js';
import { canonicalJson, type Json, type JsonObject } from '../../src/release/json.js';
import { encodeStatement } from '../../src/release/statement.js';
import { verifyRelease } from '../../src/release/verify-release.js';
import { envelope, expectCode, sampleStatement, TestDevice, TestRepository, testKey } from './maker.js';

const one = testKey(1);
const options = { keys: [one.key], now: () => new Date('2026-11-21T00:00:00Z') };
const read = (text: string) => verifyRelease(new TextEncoder().encode(text), options);

test.each([
  ['nothing', ''],
  ['a text', '"signed"'],
  ['null', 'null'],
  ['a list', '[]'],
  ['no envelope', '{}'],
  ['no signatures', '{"signed":{}}'],
  ['no statement', '{"signatures":[]}'],
  ['signatures in an object', '{"signatures":{},"signed":{}}'],
  ['a signature that is null', '{"signatures":[null],"signed":{}}'],
  ['a signature without a key', '{"signatures":[{"sig":"00"}],"signed":{}}'],
  ['a signature that is not hexadecimal', '{"signatures":[{"keyid":"a","sig":"0g"}],"signed":{}}'],
  ['half a byte', '{"signatures":[{"keyid":"a","sig":"0"}],"signed":{}}'],
  ['a statement in a list', '{"signatures":[],"signed":[]}'],
  ['65 signatures', `{"signatures":[${Array(65).fill('{"keyid":"a","sig":""}')}],"signed":{}}`],
  ['a fraction', '{"signatures":[],"signed":{"a":0.5}}'],
  ['a number beyond 2^53', '{"signatures":[],"signed":{"a":9007199254740993}}'],
  ['a number beyond all', '{"signatures":[],"signed":{"a":1e400}}'],
  ['__proto__', '{"signatures":[],"signed":{"__proto__":{"a":1}}}'],
  ['__proto__ deep inside', '{"signatures":[],"signed":{"a":[{"\\u005f_proto__":1}]}}'],
  ['a lone surrogate', '{"signatures":[],"signed":{"a":"\\ud800"}}'],
  ['a lone surrogate as a name', '{"signatures":[],"signed":{"\\udc00":1}}'],
  ['a byte order mark', '\ufeff{"signatures":[],"signed":{}}'],
  ['lists nested deeply', `{"signatures":[],"signed":{"a":${'['.repeat(30_000)}`],
  ['objects nested deeply', `{"signatures":[],"signed":${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}}`],
  ['17 levels', `{"signatures":[],"signed":{"a":${'['.repeat(15)}${']'.repeat(15)}}}`],
])('a release with %s is refused', async (_, text) => {
  await expectCode(read(text), 'metadata-corrupt');
});

test('brackets in texts are no nesting', async () => {
  await expectCode(
    read(`{"signatures":[],"signed":{"a":"${'['.repeat(100)}\\"${'{'.repeat(100)}"}}`),
    'signature-invalid',
  );
});

test('a release that is no UTF-8 is refused', async () => {
  const bytes = envelope(encodeStatement(sampleStatement()), [one]);
  bytes[20] = 0xff;
  await expectCode(verifyRelease(bytes, options), 'metadata-corrupt');
});

test('10 MB are refused unread', async () => {
  await expectCode(verifyRelease(new Uint8Array(10_000_000).fill(0x5b), options), 'limit-exceeded');
});

/** Any JSON, and names and values that metadata have. */
const { tree } = fc.letrec<{ tree: Json }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<Json>('root', '1.0.31', '2030-01-01T00:00:00Z', 'a'.repeat(64), 1, 0, -1, null, true, ''),
    fc.string(),
    fc.maxSafeInteger(),
    fc.array(tie('tree'), { maxLength: 3 }),
    fc.dictionary(
      fc.constantFrom(
        'keys',
        'roles',
        'keyids',
        'version',
        'meta',
        'targets',
        'length',
        'hashes',
        'sha256',
        'custom',
        'constructor',
      ),
      tie('tree'),
      { maxKeys: 5, noNullPrototype: true },
    ),
  ),
}));

test.each(['root', 'timestamp', 'snapshot', 'targets'] as const)(
  'any field of %s metadata may be anything: only typed errors come of it',
  async (role) => {
    const repository = new TestRepository();
    const { keys } = repository.roles[role];
    const name = {
      root: '2.root.json',
      timestamp: 'timestamp.json',
      snapshot: '1.snapshot.json',
      targets: '1.targets.json',
    }[role];
    const good = repository.files.get(role === 'root' ? '1.root.json' : name) as Uint8Array;
    const signed = JSON.parse(new TextDecoder().decode(good)).signed as JsonObject;
    const open = { 'snapshot.json': { version: 1 }, 'targets.json': { version: 1 } };
    if (role === 'snapshot' || role === 'targets') repository.put('snapshot', { meta: open });
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...Object.keys(signed)), tree, async (field, value) => {
        const fork = repository.fork();
        fork.files.set(name, envelope({ ...signed, [field]: value }, keys));
        if (role !== 'timestamp')
          fork.files.set(
            'timestamp.json',
            envelope({ ...fork.common('timestamp', 9), meta: open }, fork.roles.timestamp.keys),
          );
        if (role === 'targets')
          fork.files.set(
            '1.snapshot.json',
            envelope({ ...fork.common('snapshot', 1), meta: open }, fork.roles.snapshot.keys),
          );
        const error = await new TestDevice(fork).refresh(fork).then(
          () => undefined,
          (thrown: unknown) => thrown,
        );
        if (error !== undefined) expect(error).toBeInstanceOf(NeuralDiffError);
      }),
      { numRuns: 150, seed: 11 },
    );
  },
);

test.each<[string, (signed: Record<string, Json>) => void, string]>([
  ['of TUF 2', (signed) => Object.assign(signed, { spec_version: '2.0.0' }), 'unsupported-version'],
  ['of version 0', (signed) => Object.assign(signed, { version: 0 }), 'metadata-corrupt'],
  ['without keys', (signed) => Object.assign(signed, { keys: [] }), 'metadata-corrupt'],
  ['without roles', (signed) => Object.assign(signed, { roles: {} }), 'metadata-corrupt'],
  [
    'with 257 keys',
    (signed) =>
      Object.assign(signed, {
        keys: Object.fromEntries(Array.from({ length: 257 }, (_, i) => [`${i}`, { ...one.key }])),
      }),
    'metadata-corrupt',
  ],
  [
    'with a key that is too short',
    (signed) => Object.assign(signed, { keys: { a: { ...one.key, keyval: { public: '00' } } } }),
    'metadata-corrupt',
  ],
  [
    'without Ed25519 keys',
    (signed) => Object.assign(signed, { keys: { a: { keytype: 'rsa', scheme: 'rsa', keyval: {} } } }),
    'signature-invalid',
  ],
  [
    'with a threshold of 0',
    (signed) =>
      Object.assign(signed, {
        roles: { ...(signed.roles as JsonObject), targets: { keyids: [], threshold: 0 } },
      }),
    'metadata-corrupt',
  ],
  [
    'with a key twice in a role',
    (signed) =>
      Object.assign(signed, {
        roles: { ...(signed.roles as JsonObject), root: { keyids: [one.keyid, one.keyid], threshold: 1 } },
      }),
    'metadata-corrupt',
  ],
  [
    'with a flag in a text',
    (signed) => Object.assign(signed, { consistent_snapshot: 'true' }),
    'metadata-corrupt',
  ],
])('a root %s is refused', async (_, change, code) => {
  const repository = new TestRepository();
  repository.addRoot();
  const signed = JSON.parse(new TextDecoder().decode(repository.files.get('2.root.json'))).signed;
  change(signed);
  expect(canonicalJson(signed).length).toBeGreaterThan(10);
  repository.files.set('2.root.json', envelope(signed, repository.roles.root.keys));
  await expectCode(new TestDevice(repository).refresh(repository), code as 'metadata-corrupt');
});
