import { closeSync, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { pack as packValue } from '../../scripts/golden-seal.js';
import { applyPayload } from '../../src/apply/apply-payload.js';
import { fromHex } from '../../src/model/bytes.js';
import { fingerprint } from '../../src/model/fingerprint.js';
import { openMemoryStore } from '../../src/model/store.js';
import type { Tensor } from '../../src/model/tensor.js';
import { createFileSpool } from '../../src/node/file-spool.js';
import { writeOutput } from '../../src/node/output.js';
import { openPayloadFile, readPayload, sourceOfFile } from '../../src/node/read-payload.js';
import { type ByteSource, joinBytes } from '../../src/payload/byte-source.js';
import { xxh64 } from '../../src/payload/checksum.js';
import { encodePayload } from '../../src/payload/encode.js';
import { layoutOf } from '../../src/payload/header.js';
import { openPayload } from '../../src/payload/open-payload.js';
import { EXHAUSTIVE } from '../exhaustive.js';
import { codeOf, concat, seededBytes, seededTensor } from '../support.js';

const folder = mkdtempSync(join(tmpdir(), 'neural-diff-payload-'));
const at = (name: string): string => join(folder, name);

test('openPayloadFile() gives a file of several windows', async () => {
  const bytes = seededBytes(1, 700_001);
  writeFileSync(at('a.ndiff'), bytes);
  const file = await openPayloadFile(at('a.ndiff'));
  expect(joinBytes(file)).toEqual(bytes);
  expect(file.borrow(699_999)).toEqual(bytes.subarray(699_999));
  const buffer = new Uint8Array(1_000);
  expect(file.borrow(5, buffer)).toEqual(bytes.subarray(5, 1_005));
  expect(file.borrow(699_500, buffer)).toEqual(bytes.subarray(699_500));
  expect(buffer.subarray(0, 501)).toEqual(bytes.subarray(699_500));
  file.close();
});

test('openPayloadFile() refuses what is not there, too large, or becomes shorter', async () => {
  expect(await codeOf(() => openPayloadFile(at('none.ndiff')))).toBe('file-not-found');
  writeFileSync(at('huge.ndiff'), '');
  truncateSync(at('huge.ndiff'), 2 ** 30 + 1);
  expect(await codeOf(() => readPayload(at('huge.ndiff')))).toBe('limit-exceeded');
  truncateSync(at('huge.ndiff'), 2 ** 36 + 1);
  expect(await codeOf(() => openPayloadFile(at('huge.ndiff')))).toBe('limit-exceeded');
  writeFileSync(at('b.ndiff'), 'abcdef');
  const file = await openPayloadFile(at('b.ndiff'));
  truncateSync(at('b.ndiff'), 2);
  expect(await codeOf(() => file.borrow(3))).toBe('file-unreadable');
  file.close();
});

test.runIf(EXHAUSTIVE)('a payload of more than 4 GiB, its record in parts, patches a model', async () => {
  const tensors = [seededTensor('a', 'float32', [8], 1)];
  const base = { tensors };
  const identity = fromHex(await fingerprint(openMemoryStore(base)));
  const sparse = await encodePayload(
    { base: '00'.repeat(16), next: '00'.repeat(16), tensors, meta: {} },
    {
      ops: [
        { kind: 'sparse', tensor: 'a', positions: Uint32Array.of(3), levels: Int16Array.of(1), scale: 1 },
      ],
    },
  );
  const [own] = (await openPayload(sparse)).records;
  const next = structuredClone(base);
  new Float32Array((next.tensors[0] as Tensor).bytes.buffer)[3]! += 1;
  const result = fromHex(await fingerprint(openMemoryStore(next)));
  const header = [identity, result, await layoutOf(tensors), [64, 1], {}];
  const [most, rest] = [2 ** 32 - 1, 2 ** 30];
  const file = openSync(at('large.ndiff'), 'w+');
  let end = 0;
  const append = (bytes: Uint8Array): void => {
    writeSync(file, bytes, 0, bytes.length, end);
    end += bytes.length;
  };
  append(concat(packValue('ndiff1'), packValue(header), [0x92, 0xc6, 0xff, 0xff, 0xff, 0xff]));
  end += most;
  append(Uint8Array.of(0xc6, 0x40, 0, 0, 0));
  end += rest;
  append(packValue(joinBytes((own as { bytes: ByteSource }).bytes)));
  append(concat([0xc4, 8], await xxh64(sourceOfFile(file, 'Cannot read'))));
  closeSync(file);
  const payload = await openPayloadFile(at('large.ndiff'));
  expect(payload.length).toBeGreaterThan(5 * 2 ** 30);
  const store = openMemoryStore(base);
  const plan = await applyPayload(store, payload);
  payload.close();
  expect(plan.status).toBe('applied');
  rmSync(at('large.ndiff'));
  expect(base).toEqual(next);
});

test('createFileSpool() refuses a folder that is not there', async () => {
  expect(await codeOf(() => createFileSpool(at('none/update.ndiff')))).toBe('file-not-found');
});

test('writeOutput() writes pieces, and nothing when they break off', async () => {
  async function* pieces(isWhole: boolean): AsyncGenerator<Uint8Array> {
    yield seededBytes(1, 10);
    if (!isWhole) throw new Error('broken off');
    yield seededBytes(2, 100_000);
  }
  await writeOutput(at('c.ndiff'), pieces(true));
  const file = await openPayloadFile(at('c.ndiff'));
  expect(joinBytes(file)).toEqual(Uint8Array.of(...seededBytes(1, 10), ...seededBytes(2, 100_000)));
  file.close();
  await expect(writeOutput(at('d.ndiff'), pieces(false))).rejects.toThrow('broken off');
  expect(await codeOf(() => openPayloadFile(at('d.ndiff')))).toBe('file-not-found');
});
