import { createPrivateKey, createPublicKey } from 'node:crypto';
import { mkdtempSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fromHex } from '../../src/model/bytes.js';
import { createKeyPair, openPublicKey, openSigner, writeKeyPair } from '../../src/publish/keys.js';
import { verifyByNoble } from '../../src/release/ed25519.js';
import { keyIdOf } from '../../src/release/keys.js';
import { expectCode } from '../release/maker.js';

const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

test('createKeyPair() makes keys that node:crypto reads and noble verifies', async () => {
  const { keyid, publicKey, privateKey } = await createKeyPair();
  const der = Buffer.from(privateKey.keyval.private, 'base64');
  const spki = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })).export({
    format: 'der',
    type: 'spki',
  });
  expect(spki.subarray(-32).toString('hex')).toBe(publicKey.keyval.public);
  expect(await keyIdOf(publicKey)).toBe(keyid);
  const signer = await openSigner(json(privateKey), 'key');
  expect([signer.keyid, signer.key]).toEqual([keyid, publicKey]);
  const message = new Uint8Array(5);
  const signature = await signer.sign(message);
  expect(await verifyByNoble({ publicKey: fromHex(publicKey.keyval.public), signature, message })).toBe(true);
});

test('writeKeyPair() keeps the private half from others, and never replaces a key', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'neural-diff-keys-')), 'keys', 'root');
  const pair = await createKeyPair();
  await writeKeyPair(path, pair);
  expect(statSync(`${path}.key.json`).mode & 0o777).toBe(0o600);
  expect(readFileSync(`${path}.pub.json`, 'utf8')).not.toContain('private');
  expect(openPublicKey(readFileSync(`${path}.pub.json`), 'root')).toEqual(pair.publicKey);
  expect(openPublicKey(readFileSync(`${path}.key.json`), 'root')).toEqual(pair.publicKey);
  await expectCode(writeKeyPair(path, await createKeyPair()), 'output-exists');
  expect((await openSigner(readFileSync(`${path}.key.json`), 'root')).keyid).toBe(pair.keyid);
});

test('openSigner() refuses what is no private key, without quoting it', async () => {
  const { publicKey, privateKey } = await createKeyPair();
  const { publicKey: other } = await createKeyPair();
  const secret = privateKey.keyval.private;
  const wrong = [
    json(publicKey),
    json({ ...privateKey, keyval: { ...other.keyval, private: secret } }),
    json({ ...privateKey, keyval: { ...publicKey.keyval, private: `${secret}!` } }),
    json({ ...privateKey, keyval: { ...publicKey.keyval, private: btoa('abc') } }),
    json({ ...privateKey, keytype: 'rsa' }),
    json({ ...privateKey, keyval: { public: 'zz', private: secret } }),
    json(null),
    json([]),
    json('key'),
    new TextEncoder().encode(`{"keyval": "${secret}`),
    Uint8Array.of(255),
  ];
  for (const bytes of wrong) {
    const error = await expectCode(openSigner(bytes, 'keys/root.key.json'), 'key-invalid');
    expect(error.message).toContain('keys/root.key.json');
    expect(error.message).not.toContain(secret);
  }
});
