// From a model to a device that follows it: `npm run demo -- updates`.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fingerprint } from 'neural-diff';
import { openModel } from 'neural-diff/node';
import { Console } from '../common/console.js';
import { percent } from '../common/table.js';
import { serveFolder } from './serve-folder.js';
import { type ServerFolder, setUpServer } from './set-up.js';

const EDGE_NODE = join(import.meta.dirname, '..', 'edge-node', 'main.js');

const print = (name: string, text: string): void => void process.stdout.write(`${name.padEnd(11)}${text}\n`);

function describe({ update }: ServerFolder): void {
  const { modelBytes, accuracy, payload } = update;
  print('base', `${modelBytes} bytes, accuracy ${percent(accuracy.base)}`);
  const share = percent(payload.length / modelBytes);
  print('release', `${payload.length} bytes (${share}), accuracy ${percent(accuracy.next)}`);
}

/** Runs the edge node once and prints what it says. */
async function runEdgeNode(name: string, flags: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [EDGE_NODE, ...flags], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (piece) => {
    text += piece;
  });
  const [status] = await once(child, 'close');
  for (const [i, line] of text.trimEnd().split('\n').entries()) print(i === 0 ? name : '', line);
  if (status !== 0) throw new Error(`The edge node ended with exit status ${status}`);
}

async function nameOf(folder: string): Promise<string> {
  const store = await openModel(folder);
  try {
    return await fingerprint(store);
  } finally {
    await store.close();
  }
}

async function run(folder: string): Promise<void> {
  const screen = new Console(false);
  screen.start('training a model of four words, and an update by two');
  const set = await setUpServer(join(folder, 'server'));
  screen.end();
  describe(set);
  const device = join(folder, 'device');
  await cp(set.base, device, { recursive: true });
  await writeFile(join(folder, 'root.json'), set.root);
  const server = await serveFolder(set.site);
  try {
    print('server', server.url);
    const flags = [
      '--model',
      device,
      '--repo',
      `${server.url}/releases`,
      '--root',
      join(folder, 'root.json'),
    ];
    await runEdgeNode('edge node', flags);
    await runEdgeNode('again', flags);
  } finally {
    await server.close();
  }
  const isSame = (await nameOf(device)) === set.update.next;
  print('bit exact', isSame ? 'yes' : 'no');
  if (!isSame) process.exitCode = 1;
}

const folder = await mkdtemp(join(tmpdir(), 'neural-diff-updates-'));
try {
  await run(folder);
} finally {
  await rm(folder, { recursive: true, force: true });
}
