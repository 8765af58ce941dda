import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodePlainly, decodeUtf8, encodePlainly, encodeUtf8 } from '../../src/model/text.js';

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const OPTIONS = { numRuns: 1_000 };

test('texts are encoded as by TextEncoder, lone surrogates too', () => {
  const units = fc.array(fc.integer({ min: 0, max: 0xffff })).map((list) => String.fromCharCode(...list));
  fc.assert(
    fc.property(fc.oneof(units, fc.string({ unit: 'binary' })), (text) => {
      const expected = new TextEncoder().encode(text);
      expect(encodePlainly(text)).toEqual(expected);
      expect(encodeUtf8(text)).toEqual(expected);
      expect(decodePlainly(expected)).toBe(decoder.decode(expected));
    }),
    OPTIONS,
  );
});

test('bytes are decoded or refused as by TextDecoder', () => {
  const lead = fc.constantFrom(0xc0, 0xc2, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf8, 0x80, 0xbb, 0xbf, 0x9f, 0xa0);
  fc.assert(
    fc.property(fc.array(fc.oneof(lead, fc.integer({ min: 0, max: 255 })), { maxLength: 6 }), (list) => {
      const bytes = Uint8Array.from(list);
      const attempt = (decode: (bytes: Uint8Array) => string): string | undefined => {
        try {
          return decode(bytes);
        } catch {
          return undefined;
        }
      };
      const expected = attempt((each) => decoder.decode(each));
      expect(attempt(decodePlainly)).toBe(expected);
      expect(attempt(decodeUtf8)).toBe(expected);
    }),
    { numRuns: 5_000 },
  );
});
