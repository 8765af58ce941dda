import { execFileSync } from 'node:child_process';
import { cpSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { JobQueue } from '../../../src/recipe/farm/queue.js';
import { command, scratch, start } from '../../cli/command.js';
import { freePort, hasRedis, RedisServer } from './rig.js';

const redis = new RedisServer({ folder: `${scratch()}/redis`, port: await freePort(), password: 'geheim' });

/** Asks for a page with headers of choice, which `fetch` would not send. */
function ask(
  address: string,
  options: { method?: string; headers?: Record<string, string> },
): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request(address, options, (response) => resolve(response.resume().statusCode ?? 0));
    asked.on('error', reject).end();
  });
}

describe.skipIf(!hasRedis)('farm board', () => {
  let board: ReturnType<typeof start>;
  let address: string;

  beforeAll(async () => {
    await redis.start();
    board = start(['farm', 'board', '--queue', redis.url, '--port', '0', '--json']);
    address = await new Promise((resolve) =>
      board.child.stdout?.once('data', (line) => resolve(JSON.parse(line).address)),
    );
  });
  afterAll(async () => {
    board.child.kill('SIGKILL');
    await redis.stop();
  });

  test('serves the page, and the queue as data', async () => {
    const queue = await JobQueue.connect(redis.url);
    await queue.add([{ id: 'one', data: { kind: 'hash' } }]);
    const page = await fetch(address);
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('<title>Bull Dashboard')]);
    expect(page.headers.get('content-security-policy')).toContain("default-src 'self'");
    const { queues } = (await (await fetch(`${address}api/queues`)).json()) as {
      queues: { name: string; counts: object }[];
    };
    expect(queues[0]).toMatchObject({ name: 'neural-diff', counts: { waiting: 1, failed: 0 } });
    await queue.drain();
    await queue.close();
  });

  test('refuses pages of other sites', async () => {
    const own = new URL(address).origin;
    const empty = `${address}api/queues/neural-diff/empty`;
    expect(await ask(address, { headers: { host: 'example.com' } })).toBe(403);
    expect(await ask(empty, { method: 'PUT', headers: { origin: 'https://example.com' } })).toBe(403);
    expect(await ask(empty, { method: 'PUT' })).toBe(403);
    expect(await ask(empty, { method: 'PUT', headers: { origin: own } })).toBe(200);
  });

  test('refuses a port that is taken, or none', async () => {
    const { port } = new URL(address);
    const taken = await command('farm', 'board', '--queue', redis.url, '--port', port);
    expect([taken.status, taken.stderr]).toEqual([8, expect.stringContaining('EADDRINUSE')]);
    expect((await command('farm', 'board', '--queue', redis.url, '--port', '1.5')).status).toBe(2);
  });

  test('ends with Ctrl-C', async () => {
    board.child.kill('SIGINT');
    expect(await board.outcome).toMatchObject({ status: 0 });
  });
});

const OF_BOARD = '@bull-board/api@9 @bull-board/hono@9 hono@4 @hono/node-server@2';

test.each([
  ['queue', 'JobQueue.connect', 'Cannot use a queue: run "npm install bullmq@6 ioredis@6" first'],
  ['board', 'serveBoard', `Cannot show the queue: run "npm install ${OF_BOARD}" first`],
])('%s names the packages that are missing', (file, name, message) => {
  const folder = scratch();
  for (const room of ['model', 'recipe'])
    cpSync(join(import.meta.dirname, '../../../dist/src', room), join(folder, room), { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  const run = `await ${name}('redis://127.0.0.1:1', {}).catch(({ code, message }) => console.log(code, message));`;
  const from = `import { ${name.split('.')[0]} } from './recipe/farm/${file}.js';`;
  writeFileSync(join(folder, 'try.js'), from + run);
  const said = execFileSync(process.execPath, [join(folder, 'try.js')], { encoding: 'utf8' });
  expect(said).toBe(`missing-package ${message}\n`);
});
