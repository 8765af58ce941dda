import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BROWSER_ENGINES } from './browsers.js';
import { writeMaterial } from './bundle.js';
import { type Engine, missing } from './engine.js';
import { HERMES_ENGINE } from './hermes.js';
import { PROGRAM_ENGINES } from './programs.js';
import type { Proof } from './prove.js';
import { QUICKJS } from './quickjs.js';
import { rowOf, withRows } from './table.js';
import { WORKERD } from './workerd.js';

const ENGINES: readonly Engine[] = [...PROGRAM_ENGINES, ...BROWSER_ENGINES, WORKERD, QUICKJS, HERMES_ENGINE];

const DOCUMENT = join(import.meta.dirname, '..', '..', 'docs', 'ENGINES.md');
const folder = mkdtempSync(join(tmpdir(), 'neural-diff-engines-'));
const rows = new Map<string, string>();

beforeAll(async () => {
  await writeMaterial(folder);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

for (const engine of ENGINES) {
  const gaps = missing(engine);
  if (gaps.length > 0) process.stderr.write(`SKIPPED  ${engine.name}: there is no ${gaps.join(', ')}\n`);
  const run = gaps.length > 0 ? test.skip : test.concurrent;
  run(`the kit and an update in ${engine.name}`, async () => {
    const { cases, kit, update, trust, found } = await engine.run({ folder });
    expect({ kit, update, trust }).toEqual({ kit: [], update: [], trust: [] } satisfies Partial<Proof>);
    expect(cases).toBeGreaterThan(190);
    rows.set(engine.name, rowOf(engine.name, { cases, found }));
  });
}

test('docs/ENGINES.md has the table of all engines', async () => {
  const text = withRows(readFileSync(DOCUMENT, 'utf8'), rows);
  process.stderr.write(`${text.slice(text.indexOf('| engine'), text.lastIndexOf('|') + 1)}\n`);
  await expect(text).toMatchFileSnapshot(DOCUMENT);
});
