import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FolderServer, serveFolder } from '../../../examples/device-server/serve-folder.js';

const folder = mkdtempSync(join(tmpdir(), 'neural-diff-serve-'));
let server: FolderServer;

beforeAll(async () => {
  mkdirSync(join(folder, 'site', 'targets'), { recursive: true });
  writeFileSync(join(folder, 'secret'), 'secret');
  writeFileSync(join(folder, 'site', 'index.html'), '<!doctype html>');
  writeFileSync(join(folder, 'site', 'targets', 'a.ndiff'), '0123456789');
  server = await serveFolder(join(folder, 'site'));
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

/** Asks for a path as it is: `fetch` would straighten it. */
function ask(path: string, headers: Record<string, string> = {}): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(server.url);
    const asked = request({ hostname, port, path, headers }, async (response) => {
      let text = '';
      for await (const piece of response) text += piece;
      resolve({ status: response.statusCode as number, text });
    });
    asked.on('error', reject).end();
  });
}

test('files are served whole and from an offset on', async () => {
  expect(await ask('/')).toEqual({ status: 200, text: '<!doctype html>' });
  expect(await ask('/targets/a.ndiff')).toEqual({ status: 200, text: '0123456789' });
  const rest = await ask('/targets/a.ndiff', { range: 'bytes=7-' });
  expect(rest).toEqual({ status: 206, text: '789' });
  expect((await ask('/targets/a.ndiff', { range: 'bytes=10-' })).status).toBe(416);
});

test.each(['/none', '/targets', '/../secret', '/%2e%2e/secret', '/targets%2f..%2f..%2fsecret', '/a%00'])(
  'nothing is served for %s',
  async (path) => {
    expect(await ask(path)).toEqual({ status: 404, text: '' });
  },
);
