import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { Sha256Stream } from '../../src/model/sha256-stream.js';
import { checkPayload } from '../../src/release/check-payload.js';
import { offsetView, seededBytes } from '../support.js';
import { expectCode, sha256Hex } from './maker.js';

function* pieces(bytes: Uint8Array, length: number) {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

test('Sha256Stream gives the digests of node:crypto for every length around its blocks, however cut', () => {
  for (let length = 0; length < 200; length++) {
    const bytes = offsetView(seededBytes(length + 1, length));
    for (const step of [1, 37, 64, 255]) {
      const hash = new Sha256Stream();
      for (const piece of pieces(bytes, step)) hash.add(piece);
      expect(Buffer.from(hash.finish()).toString('hex')).toBe(
        createHash('sha256').update(bytes).digest('hex'),
      );
    }
  }
});

test('checkPayload() accepts the signed file in one piece and in many', async () => {
  const bytes = offsetView(seededBytes(3, 3000));
  const file = { bytes: 3000, sha256: sha256Hex(bytes) };
  await checkPayload(bytes, file);
  for (const length of [1, 37, 255, 3000]) await checkPayload(pieces(bytes, length), file);
  async function* stream() {
    yield* pieces(bytes, 100);
  }
  await checkPayload(stream(), file);
});

test('checkPayload() refuses every other file', async () => {
  const bytes = seededBytes(3, 300);
  const file = { name: 'v2.ndiff', bytes: 300, sha256: sha256Hex(bytes) };
  for (let at = 0; at < bytes.length; at++) {
    const changed = bytes.slice();
    changed[at] = (changed[at] as number) ^ 0x40;
    await expectCode(checkPayload(changed, file), 'payload-mismatch');
    await expectCode(checkPayload(bytes.subarray(0, at), file), 'payload-mismatch');
  }
  const { message } = await expectCode(checkPayload(Uint8Array.of(...bytes, 0), file), 'payload-mismatch');
  expect(message).toBe('Cannot use "v2.ndiff": expected 300 bytes as signed, got more');
});

test('checkPayload() stops reading at the first byte too many', async () => {
  let read = 0;
  function* endless() {
    for (;;) {
      read += 100;
      yield new Uint8Array(100);
    }
  }
  await expectCode(checkPayload(endless(), { bytes: 250, sha256: '0'.repeat(64) }), 'payload-mismatch');
  expect(read).toBe(300);
});
