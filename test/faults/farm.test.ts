import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { recipe, scratch, start, writeModel } from '../cli/command.js';
import { FarmWorker, freePort, RedisServer } from '../recipe/farm/rig.js';
import { createRandom } from '../support.js';

const KILLS = 50;
const SEEDS = [1, 2, 3, 4];
const BUDGETS = ['5%', '7%', '10%'];

const folder = scratch();
const at = (...names: string[]): string => join(folder, ...names);
const disk = at('full-disk');
const redis = new RedisServer({ folder: at('redis'), port: await freePort() });
const workers: FarmWorker[] = [];
const random = createRandom(26);
const chance = (): number => random() / 2 ** 32;

afterAll(async () => {
  for (const worker of workers) await worker.kill();
  await redis.stop();
  execFileSync('umount', [disk], { stdio: 'ignore' });
});

const sweep = (out: string, ...more: string[]) =>
  start([
    ...['sweep', '--base', at('base'), '--recipe', recipe('points'), '--epochs', '300'],
    ...['--kinds', 'hash,sparse', '--budgets', BUDGETS.join(','), '--seeds', SEEDS.join(',')],
    ...['-o', at(out), ...more],
  ]);

function startWorker(work: string): FarmWorker {
  const flags = ['--store', at('store'), '--recipes', join(recipe('points'), '..'), '--work', work];
  const worker = new FarmWorker(redis.url, ...flags);
  workers.push(worker);
  return worker;
}

/** Kills a random worker and starts another, until a number of kills or until the sweep has ended. */
async function killWorkers(running: FarmWorker[], hasEnded: () => boolean): Promise<number> {
  let kills = 0;
  while (!hasEnded()) {
    await sleep(500 + 1500 * chance());
    if (kills >= KILLS) continue;
    const place = Math.floor(running.length * chance());
    await running[place]?.kill();
    running[place] = startWorker(at(`work-${place}`));
    kills++;
    if (kills === 15) await redis.stop('SIGTERM');
    if (kills === 30) await redis.stop('SIGKILL');
    if (kills === 15 || kills === 30) {
      await sleep(1_000);
      await redis.start();
    }
  }
  return kills;
}

test('workers that are killed, a Redis that restarts and a full disk: the results of a local sweep', async () => {
  await writeModel(at('base'));
  mkdirSync(disk);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8k', 'tmpfs', disk]);
  await redis.start();
  const began = Date.now();
  let ended = false;
  const { outcome } = sweep('farm', '--queue', redis.url, '--store', at('store'));
  outcome.then(() => {
    ended = true;
  });
  const full = startWorker(disk);
  const kills = await killWorkers(
    [0, 1, 2].map((i) => startWorker(at(`work-${i}`))),
    () => ended,
  );
  const seconds = Math.round((Date.now() - began) / 1000);
  expect(await outcome).toMatchObject({ status: 0 });
  expect(kills).toBeGreaterThanOrEqual(KILLS);
  expect(
    full.events.some(({ event, error }) => event === 'given-back' && /no space/i.test(error ?? '')),
  ).toBe(true);

  const events = workers.flatMap((worker) => worker.events);
  const done = events.filter(({ event }) => event === 'done').map(({ id }) => id);
  expect(new Set(done).size, 'no job is computed twice').toBe(done.length);
  expect(readdirSync(at('store', 'results'))).toHaveLength(24 + SEEDS.length);
  expect(readdirSync(at('store', 'states'))).toEqual([]);

  expect((await sweep('local', '--workers', '2').outcome).status).toBe(0);
  const files = readdirSync(at('local'));
  expect(files).toHaveLength(24 + 1);
  for (const file of files)
    expect(readFileSync(at('farm', file)).equals(readFileSync(at('local', file))), file).toBe(true);
  const begun = events.filter(({ event }) => event === 'began').length;
  process.stderr.write(
    `${JSON.stringify({ kills, redisRestarts: 2, seconds, jobs: 24 + SEEDS.length, begun, done: done.length })}\n`,
  );
});
