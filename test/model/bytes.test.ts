import { expect, test } from 'vitest';
import { fromBase64 } from '../../src/model/bytes.js';
import { seededBytes } from '../support.js';

test('fromBase64() reads what Buffer writes, of any length', () => {
  for (let length = 0; length < 200; length++) {
    const bytes = seededBytes(length, length);
    expect([...fromBase64(Buffer.from(bytes).toString('base64'))]).toEqual([...bytes]);
  }
});

test.each(['A===', 'AA A', 'AAA\n', 'AA-_', 'é'])('fromBase64() refuses %j', (text) => {
  expect(() => fromBase64(text)).toThrow(RangeError);
});
