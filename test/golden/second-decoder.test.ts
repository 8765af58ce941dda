import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type DescribedModel, goldenCases, goldenFacts } from './facts.js';

// `decode.py` was written from FORMAT.md alone: what it reads as the package does, the page says.

const isThere = spawnSync('python3', ['--version']).status === 0;
if (!isThere)
  process.stderr.write('\nSKIPPED: no python3, so the second decoder did not read the delta records\n');

const casesOf = (group: 'accept' | 'refuse'): string[] =>
  goldenCases(group).filter((name) => name.startsWith('delta-'));

/** @returns what the second decoder prints for each case: a fingerprint, or `refused` and why */
function decodeAll(group: 'accept' | 'refuse'): Map<string, string> {
  const folders = casesOf(group).map((name) => join(import.meta.dirname, group, name));
  const decoder = join(import.meta.dirname, 'decode.py');
  const { stdout, stderr } = spawnSync('python3', ['-B', decoder, ...folders], { encoding: 'utf8' });
  expect(stderr).toBe('');
  const lines = stdout.trimEnd().split('\n');
  expect(lines).toHaveLength(folders.length);
  return new Map(casesOf(group).map((name, i) => [name, (lines[i] as string).split('\t')[1] as string]));
}

describe.skipIf(!isThere)('the second decoder', () => {
  test('makes next of base with each payload that has delta records', () => {
    const expected = casesOf('accept').map((name) => {
      const { next, payload } = goldenFacts<{ next: DescribedModel; payload: { records: string[] } }>(
        `accept/${name}`,
      );
      expect(payload.records).toContain('delta');
      return [name, next.fingerprint];
    });
    expect(expected.length).toBeGreaterThan(10);
    expect([...decodeAll('accept')]).toEqual(expected);
  });

  test('refuses each payload with a delta record that is wrong, before it has a result', () => {
    const decoded = [...decodeAll('refuse')];
    expect(decoded.length).toBeGreaterThan(30);
    for (const [name, line] of decoded) {
      const { code } = goldenFacts<{ code: string }>(`refuse/${name}`);
      if (code === 'result-mismatch') expect(line).toBe('refused: another result');
      else expect(line, name).toMatch(/^refused: (?!another result$)/);
    }
  });
});
