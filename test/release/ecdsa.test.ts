import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { concatBytes, equalBytes, fromHex } from '../../src/model/bytes.js';
import { pointOfPem, verifyEcdsa } from '../../src/release/ecdsa.js';
import { createRandom, offsetView } from '../support.js';

/** RFC 6979, A.2.5: P-256, SHA-256, the message "sample". */
const [X, Y, R, S] = [
  '60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6',
  '7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299',
  'efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716',
  'f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8',
] as const;
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const message = new TextEncoder().encode('sample');
const point = fromHex(`04${X}${Y}`);

/** @returns DER of numbers that are given as the bytes of their INTEGERs */
function der(...numbers: readonly string[]): Uint8Array {
  const parts = numbers.map(fromHex).map((bytes) => concatBytes([Uint8Array.of(2, bytes.length), bytes]));
  const body = concatBytes(parts);
  return concatBytes([Uint8Array.of(0x30, body.length), body]);
}

const signature = der(`00${R}`, `00${S}`);
const verify = (changed: { publicKey?: Uint8Array; signature?: Uint8Array; message?: Uint8Array }) =>
  verifyEcdsa({ publicKey: point, signature, message, ...changed });

const REFUSED: readonly [string, Uint8Array][] = [
  ['64 bytes without DER', fromHex(R + S)],
  ['nothing', new Uint8Array()],
  ['a byte after it', concatBytes([signature, Uint8Array.of(0)])],
  ['a third number', der(`00${R}`, `00${S}`, '01')],
  ['one number', der(`00${R}`)],
  ['negative numbers', der(R, S)],
  ['a number with a zero too many', der(`0000${R}`, `00${S}`)],
  ['zero', der('00', `00${S}`)],
  ['numbers without bytes', der('', '')],
  ['a number of more than 32 bytes', der(`00${R}`, `7f${S}`)],
  ['a number beyond the order of the curve', der(`00${R}`, `00${'ff'.repeat(32)}`)],
  ['a length of two bytes', concatBytes([Uint8Array.of(0x30, 0x81), signature.subarray(1)])],
  [
    'an indefinite length',
    concatBytes([Uint8Array.of(0x30, 0x80), signature.subarray(2), new Uint8Array(2)]),
  ],
];

describe.each([
  ['by WebCrypto', globalThis.crypto],
  ['without WebCrypto', undefined],
])('%s', (_, crypto) => {
  beforeEach(() => {
    vi.stubGlobal('crypto', crypto);
  });
  afterEach(() => {
    vi.unstubAllGlobals();
  });

  test('verifyEcdsa() accepts the vector of RFC 6979, at any offset, and no other bit', async () => {
    const parts = {
      publicKey: offsetView(point),
      signature: offsetView(signature),
      message: offsetView(message),
    };
    expect(await verify(parts)).toBe(true);
    for (const part of Object.values(parts))
      for (let at = 0; at < part.length; at++) {
        part[at] = (part[at] as number) ^ 1;
        expect(await verify(parts)).toBe(false);
        part[at] = (part[at] as number) ^ 1;
      }
  });

  test('verifyEcdsa() accepts what Node signs, with numbers of any length', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const own = pointOfPem(String(publicKey.export({ type: 'spki', format: 'pem' }))) as Uint8Array;
    const lengths = new Set<number>();
    for (let i = 0; i < 600; i++) {
      const text = Uint8Array.of(i & 255, i >> 8);
      const made = new Uint8Array(sign('sha256', text, privateKey));
      lengths.add(made.length);
      expect(await verify({ publicKey: own, signature: made, message: text })).toBe(true);
    }
    expect(lengths.size).toBeGreaterThan(2);
  });

  test('verifyEcdsa() accepts both of the two values that s may have', async () => {
    const other = (ORDER - BigInt(`0x${S}`)).toString(16).padStart(64, '0');
    expect(await verify({ signature: der(`00${R}`, other) })).toBe(true);
  });

  test.each(REFUSED)('verifyEcdsa() refuses a signature of %s', async (_, changed) => {
    expect(await verify({ signature: changed })).toBe(false);
  });

  test('verifyEcdsa() refuses a signature that is cut off anywhere', async () => {
    for (let length = 0; length < signature.length; length++)
      expect(await verify({ signature: signature.subarray(0, length) })).toBe(false);
  });

  test('verifyEcdsa() refuses keys that are no point of the curve in 65 bytes', async () => {
    const compressed = concatBytes([Uint8Array.of(3), point.subarray(1, 33)]);
    for (const publicKey of [new Uint8Array(65), fromHex(`04${Y}${X}`), compressed, point.subarray(1)])
      expect(await verify({ publicKey })).toBe(false);
  });
});

const spki = (bytes: Uint8Array): string =>
  `-----BEGIN PUBLIC KEY-----\n${Buffer.from(bytes).toString('base64')}\n-----END PUBLIC KEY-----\n`;
const HEAD = fromHex('3059301306072a8648ce3d020106082a8648ce3d030107034200');
const pem = spki(concatBytes([HEAD, point]));

test('pointOfPem() reads what Node writes, whatever the length of its lines', () => {
  expect(pointOfPem(pem)).toEqual(point);
  expect(pointOfPem(pem.trimEnd())).toEqual(point);
  const lines = String(createPublicKey(pem).export({ type: 'spki', format: 'pem' }));
  expect(lines.split('\n')).toHaveLength(5);
  expect(pointOfPem(lines)).toEqual(point);
});

const otherKey = (type: 'ed25519' | 'ec'): string => {
  const { publicKey } =
    type === 'ec' ? generateKeyPairSync('ec', { namedCurve: 'P-384' }) : generateKeyPairSync(type);
  return String(publicKey.export({ type: 'spki', format: 'pem' }));
};

test.each([
  ['of another curve', otherKey('ec')],
  ['of another type', otherKey('ed25519')],
  ['with a hybrid point', spki(concatBytes([HEAD, Uint8Array.of(6), point.subarray(1)]))],
  ['with a byte more', spki(concatBytes([HEAD, point, Uint8Array.of(0)]))],
  ['with a byte less', spki(concatBytes([HEAD, point.subarray(1)]))],
  ['with text before it', `key:\n${pem}`],
  ['with text after it', `${pem}key`],
  ['with carriage returns', pem.replaceAll('\n', '\r\n')],
  ['with spaces', pem.replace('\nM', '\n M')],
  ['with another label', pem.replaceAll('PUBLIC', 'EC PUBLIC')],
  ['without padding', pem.replace('==', '')],
  ['in hexadecimal digits', `04${X}${Y}`],
])('pointOfPem() refuses a key %s', (_, text) => {
  expect(pointOfPem(text)).toBeUndefined();
});

test('verifyEcdsa() and pointOfPem() throw for no bytes', async () => {
  const random = createRandom(7);
  for (let i = 0; i < 1000; i++) {
    const changed = signature.slice(0, 1 + (random() % signature.length));
    for (let n = 0; n < 3; n++) changed[random() % changed.length] = random();
    expect(await verify({ signature: changed })).toBe(equalBytes(changed, signature));
    const text = [...pem];
    for (let n = 0; n < 3; n++) text[random() % text.length] = String.fromCharCode(random() & 255);
    expect([undefined, 65]).toContain(pointOfPem(text.join(''))?.length);
  }
});
