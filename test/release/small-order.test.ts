import { createHash } from 'node:crypto';
import { Point } from '@noble/ed25519';
import { describe, expect, test } from 'vitest';
import { hex } from '../../src/model/bytes.js';
import { initRepository } from '../../src/publish/init-repository.js';
import { openPublicKey } from '../../src/publish/keys.js';
import { isUsableKey, verifyByNoble, verifyByWebCrypto, verifyEd25519 } from '../../src/release/ed25519.js';
import type { JsonObject } from '../../src/release/json.js';
import { type ReleaseKey, releaseKey } from '../../src/release/keys.js';
import { ROLES, type Role } from '../../src/release/metadata.js';
import { encodeStatement } from '../../src/release/statement.js';
import { verifyRelease } from '../../src/release/verify-release.js';
import { Publisher } from '../publish/publisher.js';
import { envelope, expectCode, sampleStatement, TestDevice, TestRepository, testKey } from './maker.js';

const { p: P, n: ORDER } = Point.CURVE();
const WAYS = { verifyByWebCrypto, verifyByNoble, verifyEd25519 };

/** @returns a number as 32 bytes, least significant first */
const bytesOf = (value: bigint): Uint8Array =>
  Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 255n));

const numberOf = (bytes: Uint8Array): bigint =>
  bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);

/** @returns the 8 points whose order divides 8: the multiples of one of them */
function smallPoints(): InstanceType<typeof Point>[] {
  for (let y = 2n; ; y++) {
    if (!isOnCurve(bytesOf(y))) continue;
    const point = Point.fromBytes(bytesOf(y));
    const small = point.multiply(ORDER - 1n).add(point);
    if (small.double().double().is0()) continue;
    return Array.from({ length: 8 }, (_, i) => (i === 0 ? Point.ZERO : small.multiply(BigInt(i))));
  }
}

function isOnCurve(bytes: Uint8Array): boolean {
  try {
    Point.fromBytes(bytes);
    return true;
  } catch {
    return false;
  }
}

/** Encodings of points of small order that are not canonical: y + p, and a sign of x = 0. */
const ODD_FORMS = [P, P + 1n]
  .flatMap((y) => [y, y | (1n << 255n)])
  .concat([1n, P - 1n].map((y) => y | (1n << 255n)));

const SMALL = smallPoints().map((point) => point.toBytes());
const FORBIDDEN = [...SMALL, ...ODD_FORMS.map(bytesOf)].map((bytes) => [hex(bytes), bytes] as const);

/** @returns a public key that did not pass through `releaseKey` */
const unchecked = (bytes: Uint8Array): ReleaseKey => ({ ...testKey(1).key, keyval: { public: hex(bytes) } });

test('there are 8 points of small order, and 6 more ways to write them', () => {
  expect(new Set(FORBIDDEN.map(([digits]) => digits)).size).toBe(14);
});

describe.each(FORBIDDEN)('the key %s', (digits, bytes) => {
  test('is refused by keys, releases and roles as `key-invalid`', async () => {
    expect(isUsableKey(bytes)).toBe(false);
    await expectCode(() => releaseKey(bytes), 'key-invalid');
    const file = new TextEncoder().encode(JSON.stringify(unchecked(bytes)));
    const error = await expectCode(() => openPublicKey(file, 'a.pub.json'), 'key-invalid');
    expect(error.message).toContain('not of small order');
    const release = envelope(encodeStatement(sampleStatement()), [testKey(1)]);
    const options = { keys: [testKey(1).key, unchecked(bytes)], now: () => new Date('2026-11-21T00:00:00Z') };
    await expectCode(verifyRelease(release, options), 'key-invalid');
  });

  test('signs nothing, by whatever verifies', async () => {
    // With R = 5·B and S = 5, the equation S·B = R + k·A holds for every k for the neutral element, and for
    // one k in eight at least for the others.
    const signature = Uint8Array.of(...Point.BASE.multiply(5n).toBytes(), ...bytesOf(5n));
    for (let i = 0; i < 16; i++)
      for (const verify of Object.values(WAYS))
        expect(await verify({ publicKey: bytes, signature, message: Uint8Array.of(i) })).toBe(false);
    expect(digits).toHaveLength(64);
  });
});

test('a repository is not begun with a key of small order', async () => {
  const { files, signers, clock } = await Publisher.start();
  files.files.clear();
  const all = Object.values(signers).flat();
  const roles = Object.fromEntries(
    ROLES.map((role) => [role, { keys: signers[role].map(({ key }) => key) }]),
  );
  const wrong = { ...roles, targets: { keys: [unchecked(bytesOf(1n))] } } as Record<
    Role,
    { keys: ReleaseKey[] }
  >;
  await expectCode(initRepository(files, wrong, { signers: all, now: clock.now }), 'key-invalid');
});

test('a device refuses a root that names a key of small order', async () => {
  const repository = new TestRepository();
  const device = new TestDevice(repository);
  await device.refresh(repository);
  const { keyid } = testKey(99);
  const root = JSON.parse(new TextDecoder().decode(repository.files.get('1.root.json')));
  const keys = { ...root.signed.keys, [keyid]: unchecked(bytesOf(1n)) } as JsonObject;
  repository.addRoot({ more: { keys } });
  await expectCode(device.refresh(repository), 'key-invalid');
});

test('isUsableKey() takes what @noble/ed25519 decodes strictly, but for small orders', () => {
  for (let i = 0; i < 300; i++) {
    const y = i < 60 ? BigInt(i) : i < 120 ? P - BigInt(i - 60) : P + BigInt(i % 19);
    const bytes = bytesOf(y);
    const isGood = isOnCurve(bytes) && !Point.fromBytes(bytes).isSmallOrder();
    expect([y, isUsableKey(bytes)]).toEqual([y, isGood]);
  }
  for (let seed = 1; seed < 40; seed++)
    expect(isUsableKey(Buffer.from(testKey(seed).key.keyval.public, 'hex'))).toBe(true);
  expect(isUsableKey(new Uint8Array(31))).toBe(false);
});

test('a signature whose R is of small order, or in another form, is none anywhere', async () => {
  const { key, sign } = testKey(7);
  const [publicKey, message] = [Buffer.from(key.keyval.public, 'hex'), new Uint8Array(3)];
  const signature = sign(message);
  for (const [, r] of FORBIDDEN) await expectNone({ publicKey, message, signature: signatureWith(7, r, 0n) });
  for (const verify of Object.values(WAYS))
    expect(await verify({ publicKey, message, signature })).toBe(true);
});

test('a signature whose R has a part of small order is none anywhere', async () => {
  const { key } = testKey(7);
  const [publicKey, message] = [Buffer.from(key.keyval.public, 'hex'), new Uint8Array(3)];
  for (const small of smallPoints()) {
    const signature = signatureWith(7, Point.BASE.multiply(5n).add(small).toBytes(), 5n);
    const signed = { publicKey, message, signature };
    if (small.is0()) expect(await verifyByNoble(signed)).toBe(true);
    else await expectNone(signed);
  }
});

async function expectNone(signed: Parameters<typeof verifyEd25519>[0]): Promise<void> {
  for (const verify of Object.values(WAYS)) expect(await verify(signed)).toBe(false);
}

/**
 * @returns a signature of three zero bytes by `testKey(seed)`, with an R of the caller's, r·B but for small
 *   parts
 */
function signatureWith(seed: number, point: Uint8Array, r: bigint): Uint8Array {
  const sha512 = (...parts: Uint8Array[]) => createHash('sha512').update(Buffer.concat(parts)).digest();
  const secret = sha512(Buffer.alloc(32, seed)).subarray(0, 32);
  secret[0] = (secret[0] as number) & 248;
  secret[31] = ((secret[31] as number) & 127) | 64;
  const publicKey = Buffer.from(testKey(seed).key.keyval.public, 'hex');
  const k = numberOf(sha512(point, publicKey, new Uint8Array(3)));
  return Uint8Array.of(...point, ...bytesOf((r + k * numberOf(secret)) % ORDER));
}
