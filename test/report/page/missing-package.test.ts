import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { isMissingPackage } from '../../../src/report/page/render-pages.js';

const BUILD = join(import.meta.dirname, '..', '..', '..', 'dist', 'src');
const folder = mkdtempSync(join(tmpdir(), 'neural-diff-no-packages-'));

const TRY = `
import { renderReportPage } from './report/page/render-pages.js';
await renderReportPage({}).catch(({ code, message }) => process.stdout.write(code + ' ' + message));
`;

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('renderReportPage() names missing packages to install', async () => {
  for (const room of ['model', 'report']) {
    cpSync(join(BUILD, room), join(folder, room), { recursive: true });
  }
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  writeFileSync(join(folder, 'try.js'), TRY);
  const said = execFileSync(process.execPath, [join(folder, 'try.js')], { encoding: 'utf8' });
  expect(said).toBe(
    'missing-package Cannot render the page: run "npm install vega@6 vega-lite@6 preact@11 preact-render-to-string@6" first',
  );
});

test('isMissingPackage() is false for other failures', () => {
  const error = (code: string, message: string) => Object.assign(new Error(message), { code });
  expect(isMissingPackage(error('ERR_MODULE_NOT_FOUND', "Cannot find package 'vega' imported from x"))).toBe(
    true,
  );
  expect(isMissingPackage(error('ERR_MODULE_NOT_FOUND', "Cannot find module './lost.js'"))).toBe(false);
  expect(isMissingPackage(error('ERR_OTHER', "'vega'"))).toBe(false);
});
