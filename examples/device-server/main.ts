// Makes an update, releases it, and serves it together with a page that takes it: `npm run demo -- browser`.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bundlePage } from '../browser-update/bundle.js';
import { Console } from '../common/console.js';
import { serveFolder } from './serve-folder.js';
import { setUpServer } from './set-up.js';

const { values: flags } = parseArgs({
  options: { folder: { type: 'string' }, port: { type: 'string', default: '8080' } },
});

const folder = flags.folder ?? (await mkdtemp(join(tmpdir(), 'neural-diff-server-')));
const screen = new Console(false);
screen.start('training a model of four words, and an update by two');
const { site, root } = await setUpServer(folder);
await bundlePage(site, root);
screen.end();
const server = await serveFolder(site, Number(flags.port));
process.stdout.write(`page        ${server.url}/\nrepository  ${server.url}/releases\nCtrl+C ends it\n`);
process.once('SIGINT', async () => {
  await server.close();
  if (flags.folder === undefined) await rm(folder, { recursive: true, force: true });
});
