import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type DescribedModel, goldenBytes, goldenCases, goldenFacts } from './facts.js';
import { decodeAll, isThere, lineOf } from './second-decoder.js';

if (!isThere)
  process.stderr.write('\nSKIPPED: no python3, so the second decoder did not read the golden payloads\n');

const decodeCases = (group: 'accept' | 'files' | 'refuse', cases: readonly string[]): string[] =>
  decodeAll(cases.map((name) => join(import.meta.dirname, group, name)));

interface AcceptFacts {
  readonly payload: { readonly records: readonly string[] };
  readonly next: DescribedModel;
}

interface FilesFacts {
  readonly next: { readonly fingerprint: string; readonly files: readonly { path: string; bytes: string }[] };
}

const acceptFacts = (name: string): AcceptFacts => goldenFacts(`accept/${name}`);

function decodesAll(name: string): boolean {
  const { records } = acceptFacts(name).payload;
  return name.startsWith('delta-') || (records.length > 0 && records.every((kind) => /exact|set/.test(kind)));
}

/** What is wrong with them shows only where files are written. */
const OF_WRITING = ['files-in-place'];

describe.skipIf(!isThere)('the second decoder', () => {
  test('makes next of base with each payload of delta, exact and set records', () => {
    const cases = goldenCases('accept').filter(decodesAll);
    expect(cases.length).toBeGreaterThan(20);
    const kinds = new Set(cases.flatMap((name) => acceptFacts(name).payload.records));
    expect([...kinds]).toEqual(expect.arrayContaining(['delta', 'exact', 'set']));
    expect(decodeCases('accept', cases)).toEqual(cases.map((name) => acceptFacts(name).next.fingerprint));
  });

  test('makes the files of next of base with each payload that makes files', () => {
    const cases = goldenCases('files');
    expect(cases.length).toBeGreaterThan(4);
    const expected = cases.map((name) => {
      const { fingerprint, files } = goldenFacts<FilesFacts>(`files/${name}`).next;
      const made = files.map(({ path, bytes }) => [path, goldenBytes(bytes)] as const);
      return lineOf(fingerprint, made);
    });
    expect(decodeCases('files', cases)).toEqual(expected);
  });

  test.each(['delta-', 'files-'])('refuses each payload "%s…" that is wrong with its code', (prefix) => {
    const cases = goldenCases('refuse').filter(
      (name) => name.startsWith(prefix) && !OF_WRITING.includes(name),
    );
    expect(cases.length).toBeGreaterThan(20);
    const codes = decodeCases('refuse', cases).map((line) => /^refused: ([a-z-]+): ./.exec(line)?.[1]);
    const expected = cases.map((name) => goldenFacts<{ code: string }>(`refuse/${name}`).code);
    expect(codes).toEqual(expected);
  });
});
