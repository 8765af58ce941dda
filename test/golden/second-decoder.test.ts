import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type DescribedModel, goldenCases, goldenFacts } from './facts.js';

// `decode` was written from FORMAT.md alone: what it reads as the package does, the page says.

const isThere = spawnSync('python3', ['--version']).status === 0;
if (!isThere)
  process.stderr.write('\nSKIPPED: no python3, so the second decoder did not read the golden payloads\n');

type Group = 'accept' | 'files' | 'refuse';

interface AcceptFacts {
  readonly payload: { readonly records: readonly string[] };
  readonly next: DescribedModel;
}

interface FilesFacts {
  readonly next: { readonly fingerprint: string; readonly files: readonly { path: string; bytes: string }[] };
}

/** @returns what the second decoder prints for each case: what it makes, or `refused` with the code and why */
function decodeAll(group: Group, cases: readonly string[]): string[] {
  const folders = cases.map((name) => join(import.meta.dirname, group, name));
  const decoder = join(import.meta.dirname, 'decode');
  const { stdout, stderr } = spawnSync('python3', ['-B', decoder, ...folders], { encoding: 'utf8' });
  expect(stderr).toBe('');
  const lines = stdout.trimEnd().split('\n');
  expect(lines).toHaveLength(folders.length);
  return lines.map((line) => line.split('\t')[1] as string);
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
    expect(decodeAll('accept', cases)).toEqual(cases.map((name) => acceptFacts(name).next.fingerprint));
  });

  test('makes the files of next of base with each payload that makes files', () => {
    const cases = goldenCases('files');
    expect(cases.length).toBeGreaterThan(4);
    const expected = cases.map((name) => {
      const { fingerprint, files } = goldenFacts<FilesFacts>(`files/${name}`).next;
      const sha256 = (digits: string) =>
        createHash('sha256').update(Buffer.from(digits, 'hex')).digest('hex');
      return { fingerprint, files: files.map(({ path, bytes }) => ({ path, sha256: sha256(bytes) })) };
    });
    expect(decodeAll('files', cases).map((line) => JSON.parse(line))).toEqual(expected);
  });

  test.each(['delta-', 'files-'])('refuses each payload "%s…" that is wrong with its code', (prefix) => {
    const cases = goldenCases('refuse').filter(
      (name) => name.startsWith(prefix) && !OF_WRITING.includes(name),
    );
    expect(cases.length).toBeGreaterThan(20);
    const codes = decodeAll('refuse', cases).map((line) => /^refused: ([a-z-]+): ./.exec(line)?.[1]);
    const expected = cases.map((name) => goldenFacts<{ code: string }>(`refuse/${name}`).code);
    expect(codes).toEqual(expected);
  });
});
