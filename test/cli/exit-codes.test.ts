import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { EXIT, STATUS_OF } from '../../cli/exit-codes.js';

const document = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'ERRORS.md'), 'utf8');

test('docs/ERRORS.md has a row for every error code, with its exit status and what to do', () => {
  const rows = [...document.matchAll(/^\| `([a-z-]+)` \| (\d+) \| .{20,} \|$/gm)].map(([, code, status]) => [
    code,
    Number(status),
  ]);
  expect(Object.fromEntries(rows)).toEqual(STATUS_OF);
  expect(rows.length).toBe(Object.keys(STATUS_OF).length);
});

test('exit statuses are frozen', () => {
  expect(EXIT).toEqual({
    done: 0,
    internal: 1,
    usage: 2,
    wrongBase: 3,
    refused: 5,
    corruptPayload: 6,
    noSpace: 7,
    network: 8,
    healthCheck: 9,
    gate: 10,
    missed: 11,
    interrupted: 130,
  });
});
