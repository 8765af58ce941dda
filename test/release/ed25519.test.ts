import { expect, test, vi } from 'vitest';
import { fromHex } from '../../src/model/bytes.js';
import {
  type VerifyEd25519,
  verifyByNoble,
  verifyByWebCrypto,
  verifyEd25519,
  withFallback,
} from '../../src/release/ed25519.js';
import { offsetView } from '../support.js';
import { testKey } from './maker.js';

/** RFC 8032, 7.1: tests 1, 2, 3 and SHA(abc). */
const VECTORS = [
  {
    key: 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    message: '',
    signature:
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  },
  {
    key: '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    message: '72',
    signature:
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  },
  {
    key: 'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    message: 'af82',
    signature:
      '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  },
  {
    key: 'ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf',
    message:
      'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
    signature:
      'dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704',
  },
] as const;

const withoutWebCrypto: VerifyEd25519 = (signed) => {
  vi.stubGlobal('crypto', undefined);
  return verifyEd25519(signed).finally(() => vi.unstubAllGlobals());
};

const WAYS: [string, VerifyEd25519][] = [
  ['verifyByWebCrypto()', verifyByWebCrypto],
  ['verifyByNoble()', verifyByNoble],
  ['verifyEd25519()', verifyEd25519],
  ['verifyEd25519() without WebCrypto', withoutWebCrypto],
];

test.each(WAYS)('%s accepts the vectors of RFC 8032 and no other bit', async (_, verify) => {
  for (const vector of VECTORS) {
    const [publicKey, message, signature] = [vector.key, vector.message, vector.signature].map((digits) =>
      offsetView(fromHex(digits)),
    ) as [Uint8Array, Uint8Array, Uint8Array];
    expect(await verify({ publicKey, message, signature })).toBe(true);
    for (const part of [publicKey, signature, ...(message.length > 0 ? [message] : [])]) {
      for (const at of [0, part.length - 1]) {
        part[at] = (part[at] as number) ^ 1;
        expect(await verify({ publicKey, message, signature })).toBe(false);
        part[at] = (part[at] as number) ^ 1;
      }
    }
  }
});

test.each(WAYS)('%s takes keys of 32 and signatures of 64 bytes alone', async (_, verify) => {
  const { key, sign } = testKey(7);
  const message = new Uint8Array(3);
  const [publicKey, signature] = [fromHex(key.keyval.public), sign(message)];
  expect(await verify({ publicKey, signature, message })).toBe(true);
  const longer = Uint8Array.of(...signature, 0);
  for (const wrong of [longer, signature.subarray(0, 63), new Uint8Array()])
    expect(await verify({ publicKey, signature: wrong, message })).toBe(false);
  for (const wrong of [Uint8Array.of(...publicKey, 0), publicKey.subarray(1), new Uint8Array()])
    expect(await verify({ publicKey: wrong, signature, message })).toBe(false);
});

test.each(WAYS)('%s refuses a signature whose scalar is not reduced (RFC 8032, 5.1.7)', async (_, verify) => {
  const { key, sign } = testKey(7);
  const message = new Uint8Array(3);
  const signature = sign(message);
  const order = (1n << 252n) + 27742317777372353535851937790883648493n;
  let scalar = signature.subarray(32).reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n) + order;
  for (let i = 32; i < 64; i++, scalar >>= 8n) signature[i] = Number(scalar & 255n);
  expect(await verify({ publicKey: fromHex(key.keyval.public), signature, message })).toBe(false);
});

test.each(WAYS)('%s says no to keys that are no point of the curve', async (_, verify) => {
  const { sign } = testKey(7);
  const message = new Uint8Array(3);
  const publicKey = new Uint8Array(32).fill(255);
  expect(await verify({ publicKey, signature: sign(message), message })).toBe(false);
});

test('withFallback() asks the second where the first is not supported, and nowhere else', async () => {
  const { key, sign } = testKey(7);
  const message = new Uint8Array(3);
  const signed = { publicKey: fromHex(key.keyval.public), signature: sign(message), message };
  const failing = (name: string) => () => Promise.reject(new DOMException('No', name));
  const unsupported = withFallback(failing('NotSupportedError'), verifyByNoble);
  expect(await unsupported(signed)).toBe(true);
  expect(await unsupported({ ...signed, message: new Uint8Array(4) })).toBe(false);
  await expect(withFallback(failing('OperationError'), verifyByNoble)(signed)).rejects.toThrow('No');
  const never = () => Promise.reject(new Error('was asked'));
  expect(await withFallback(verifyByWebCrypto, never)(signed)).toBe(true);
});
