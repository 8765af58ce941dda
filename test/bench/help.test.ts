import { join } from 'node:path';
import { expect, test } from 'vitest';
import { describeBench, listBenches, readBenches } from '../../scripts/bench-help.js';

const benches = readBenches(join(import.meta.dirname, '../../bench'));

test('readBenches() finds a description of every bench, which names no other', () => {
  expect(benches.length).toBeGreaterThan(10);
  for (const { name, text } of benches) {
    expect(text, name).toMatch(/^[A-Z]/);
    expect(text.endsWith('.') && text.length > 20, name).toBe(true);
    expect(text.match(/bench --\s+([a-z-]+)/)?.[1] ?? name).toBe(name);
  }
});

test('listBenches() has a line for each, describeBench() the whole text', () => {
  const list = listBenches(benches);
  for (const { name } of benches) expect(list).toContain(`\n  ${name} `);
  const train = benches.find(({ name }) => name === 'train');
  expect(train?.isOwn).toBe(false);
  expect(train && describeBench(train)).toContain('train [--quick] [--json]');
});

test('readBenches() knows which answer --help themselves', () => {
  const own = benches.filter(({ isOwn }) => isOwn).map(({ name }) => name);
  expect(own).toEqual(['accuracy', 'grids', 'growth', 'precision', 'sequence', 'streaming', 'tune']);
});
