import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import type { ErrorCode } from '../../src/model/errors.js';
import { signModelFiles, verifyModelFiles } from '../../src/publish/model-signature.js';
import { expectCode } from '../release/maker.js';

/** @returns both halves of a key in PEM */
function keyPair(namedCurve: string) {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve });
  return {
    privateKey: Buffer.from(privateKey.export({ type: 'pkcs8', format: 'pem' })),
    publicKey: Buffer.from(publicKey.export({ type: 'spki', format: 'pem' })),
  };
}

const own = keyPair('prime256v1');
let model = '';
let bundle = '';

beforeEach(() => {
  model = join(mkdtempSync(join(tmpdir(), 'neural-diff-oms-')), 'v2');
  bundle = join(model, 'model.sig');
  mkdirSync(join(model, 'shards', 'a'), { recursive: true });
  mkdirSync(join(model, '.git'));
  writeFileSync(join(model, 'model.json'), '{}');
  writeFileSync(join(model, 'shards', 'a', '1.bin'), 'weights');
  writeFileSync(join(model, 'shards', 'é.bin'), 'weights');
  writeFileSync(join(model, '.git', 'HEAD'), 'not signed');
});

async function signed(key = own.privateKey): Promise<Uint8Array> {
  const { bytes } = await signModelFiles(model, { key, bundle });
  writeFileSync(bundle, bytes);
  return bytes;
}

const verified = (bytes: Uint8Array, key: Uint8Array = own.publicKey) =>
  verifyModelFiles(model, { bytes, key, bundle });

/** @returns a bundle with another statement and the same signature, or with other fields */
function change(bytes: Uint8Array, edit: (file: Record<string, object>, statement: object) => void) {
  const file = JSON.parse(Buffer.from(bytes).toString());
  const statement = JSON.parse(Buffer.from(file.dsseEnvelope.payload, 'base64').toString());
  edit(file, statement);
  file.dsseEnvelope.payload = Buffer.from(JSON.stringify(statement)).toString('base64');
  return Buffer.from(JSON.stringify(file));
}

test.each(['prime256v1', 'secp384r1', 'secp521r1'])(
  'a model signed on %s verifies, and its bundle is not part of it',
  async (curve) => {
    const { privateKey, publicKey } = keyPair(curve);
    const bytes = await signed(privateKey);
    expect(await verified(bytes, publicKey)).toEqual({ files: 3 });
    await expectCode(verified(bytes), 'signature-invalid');
  },
);

test('the statement lists the files in the order of code points, and their root digest', async () => {
  const file = JSON.parse(Buffer.from(await signed()).toString());
  const statement = JSON.parse(Buffer.from(file.dsseEnvelope.payload, 'base64').toString());
  const names = statement.predicate.resources.map(({ name }: { name: string }) => name);
  expect(names).toEqual(['model.json', 'shards/a/1.bin', 'shards/é.bin']);
  expect(statement.subject).toEqual([
    { name: 'v2', digest: { sha256: expect.stringMatching(/^[0-9a-f]{64}$/) } },
  ]);
  expect(statement.predicate.serialization.ignore_paths).toContain('model.sig');
});

test('files that were changed, removed or added are refused by name', async () => {
  const bytes = await signed();
  writeFileSync(join(model, 'model.json'), '{ }');
  renameSync(join(model, 'shards', 'é.bin'), join(model, 'shards', 'f.bin'));
  const problem = await verified(bytes).catch((error: Error) => error);
  expect(problem).toMatchObject({ code: 'metadata-mismatch' });
  for (const part of [
    '"model.json" was changed',
    '"shards/é.bin" is missing',
    '"shards/f.bin" is not signed',
  ])
    expect((problem as Error).message).toContain(part);
});

test('bundles that were changed, and forms that are not known, are refused by code', async () => {
  const bytes = await signed();
  const refused: [ErrorCode, Parameters<typeof change>[1]][] = [
    ['signature-invalid', (_, statement) => Object.assign(statement, { subject: [] })],
    [
      'signature-invalid',
      (file) => Object.assign(file.verificationMaterial ?? {}, { publicKey: { hint: '00' } }),
    ],
    ['unsupported-version', (file) => Object.assign(file, { mediaType: 'application/json' })],
    ['metadata-corrupt', (file) => Object.assign(file.dsseEnvelope ?? {}, { signatures: [1] })],
    ['metadata-corrupt', (file) => Object.assign(file, { verificationMaterial: 3 })],
  ];
  for (const [code, edit] of refused) await expectCode(verified(change(bytes, edit)), code);
  await expectCode(verified(Buffer.from('{')), 'metadata-corrupt');
});

test('keys of other kinds, links, and models without files are refused', async () => {
  const { privateKey } = generateKeyPairSync('ed25519');
  const key = Buffer.from(privateKey.export({ type: 'pkcs8', format: 'pem' }));
  await expectCode(signed(key), 'key-invalid');
  await expectCode(signed(Buffer.from('no key')), 'key-invalid');
  symlinkSync(join(model, 'model.json'), join(model, 'link'));
  await expectCode(signed(), 'unsafe-path');
  rmSync(model, { recursive: true });
  await expectCode(signed(), 'file-not-found');
  mkdirSync(model);
  await expectCode(signed(), 'empty-model');
});

// Published with the reference implementation, github.com/sigstore/model-transparency (Apache-2.0), in
// scripts/tests/v1.1.0-elliptic-key; the key is the one that its hint names.
const PUBLISHED_KEY = `-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEsu6rZGBTjxtvRWPMixT+3HyndV0J0Ybt
aHZUcO4DEK+OJHO/4e32bb/fbJKSpRgcBsIpKLcVijUomyFOERbd7u+BTPSUjGZD
Qq6J7lTvp/EAXQGOKxW9RP0MGX3qAkvi
-----END PUBLIC KEY-----
`;
const PUBLISHED_STATEMENT = `{
  "_type": "https://in-toto.io/Statement/v1",
  "subject": [
    {
      "name": "v1.1.0-elliptic-key",
      "digest": {
        "sha256": "92745110b1ab4368471cbe31664e10174e954b113a3df333db860317b2c6dec4"
      }
    }
  ],
  "predicateType": "https://model_signing/signature/v1.0",
  "predicate": {
    "resources": [
      {
        "algorithm": "sha256",
        "name": "signme-1",
        "digest": "bc9a717db6064a32cbe9eae6fc40651dd6d36ef1757183f590eff2b1765d7ebc"
      },
      {
        "algorithm": "sha256",
        "name": "signme-2",
        "digest": "32dcb1f8e1ae52d5963e56a6ba06ab58b424c15ed2a6b70d2feca1d089370028"
      }
    ],
    "serialization": {
      "allow_symlinks": false,
      "method": "files",
      "hash_type": "sha256",
      "ignore_paths": [
        ".git",
        "model.sig",
        "ignore-me",
        ".gitattributes",
        ".gitignore",
        ".github"
      ]
    }
  }
}`;
const PUBLISHED_SIGNATURE =
  'MGUCMQCVqSw64cBnPHqbyadq+OIgwQSg7WW8Mztp3dJ++atQsxzbtwafJJ164u7WEXmx5hECMBSiShuN7OTLec6wLXpHUjFIQA/hhiBC' +
  'jSzM9Q2cIUZpDmv+tWs1AkNxstJDbNl0lQ==';

test('a bundle of the reference implementation verifies', async () => {
  const published = join(model, 'v1.1.0-elliptic-key');
  mkdirSync(published);
  writeFileSync(join(published, 'signme-1'), 'signme-1\n');
  writeFileSync(join(published, 'signme-2'), 'signme-2');
  writeFileSync(join(published, 'ignore-me'), 'anything');
  const hint = 'e8450dec4eb99dae995da9af1bc2cc9f76ed669ee2e744f57abba763df3e3f8e';
  const bytes = Buffer.from(
    JSON.stringify({
      mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
      verificationMaterial: { publicKey: { hint }, tlogEntries: [] },
      dsseEnvelope: {
        payload: Buffer.from(PUBLISHED_STATEMENT).toString('base64'),
        payloadType: 'application/vnd.in-toto+json',
        signatures: [{ sig: PUBLISHED_SIGNATURE, keyid: '' }],
      },
    }),
  );
  const input = { bytes, key: Buffer.from(PUBLISHED_KEY), bundle: join(published, 'model.sig') };
  expect(await verifyModelFiles(published, input)).toEqual({ files: 2 });
  writeFileSync(join(published, 'signme-2'), 'signme-2\n');
  await expectCode(verifyModelFiles(published, input), 'metadata-mismatch');
  const { bytes: again } = await signModelFiles(published, { key: own.privateKey, bundle: input.bundle });
  expect(Buffer.from(again).toString()).toContain(
    '"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"',
  );
});
