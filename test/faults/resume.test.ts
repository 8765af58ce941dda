import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { openNodeDisk } from '../../src/node/disk.js';
import { download } from '../../src/updater/download.js';
import { openHttpSource } from '../../src/updater/http-source.js';
import { startHostileServer, type Tricks } from '../rig/hostile-server.js';
import { codeOf, seededBytes } from '../support.js';
import { printCounts } from './counts.js';

const BYTES = 20 * 2 ** 20;
const STEP = 65_536;

/** What a server does between two parts that it sends well. */
const MISBEHAVIOURS: readonly Tricks[] = [
  { status: 503 },
  { stallAfter: 0 },
  { shiftsRanges: true },
  { cutAfter: 0 },
];

const folder = mkdtempSync(join(tmpdir(), 'neural-diff-resume-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('a download of 20 MB that ends every 64 kB, each time in a new program, fetches nothing twice', async () => {
  const content = seededBytes(1, BYTES);
  const sha256 = createHash('sha256').update(content).digest('hex');
  const server = await startHostileServer(new Map([['targets/v2', content]]));
  const attempt = async (): Promise<string> => {
    const disk = openNodeDisk(folder);
    const job = { location: { disk, folder: 'updates' }, path: 'targets/v2', attempts: 1 };
    const source = openHttpSource({ url: server.url, stallMs: 50 });
    try {
      return await download({ ...job, source, file: { name: 'v2', bytes: BYTES, sha256 } });
    } finally {
      await disk.close();
    }
  };
  let programs = 0;
  let bytesTaken = 0;
  for (let code = ''; code !== 'none'; programs++) {
    const isGood = programs % 2 === 0;
    server.tricks = isGood ? { cutAfter: STEP } : (MISBEHAVIOURS[(programs >> 1) % 4] as Tricks);
    const before = server.bytesSent;
    code = await codeOf(attempt).catch(() => 'none');
    expect(['network', 'none']).toContain(code);
    if (isGood) bytesTaken += server.bytesSent - before;
  }
  server.tricks = {};
  const path = await attempt();
  expect(readFileSync(join(folder, path)).equals(content)).toBe(true);
  printCounts(`downloads broken off, ${bytesTaken} bytes taken for ${BYTES}`, { continued: programs });
  expect(programs).toBeGreaterThan(BYTES / STEP);
  expect(bytesTaken).toBeLessThan(1.1 * BYTES);
  await server.close();
});
