import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { type Outcome, recipe, scratch, start, writeModel } from '../cli/command.js';
import { FarmWorker, freePort, RedisServer } from '../recipe/farm/rig.js';
import { NO_S3, S3Server } from '../recipe/farm/s3-rig.js';

const folder = scratch();
const at = (...names: string[]): string => join(folder, ...names);
const redis = new RedisServer({ folder: at('redis'), port: await freePort() });
const server = new S3Server(at('server'));
const STORE = `s3://${S3Server.bucket}`;
const workers: FarmWorker[] = [];

afterAll(async () => {
  for (const worker of workers) await worker.kill();
  await redis.stop();
  await server.stop();
});

const sweep = (out: string, ...more: string[]): Promise<Outcome> =>
  start(
    [
      ...['sweep', '--base', at('base'), '--recipe', recipe('points'), '--epochs', '150', '-o', at(out)],
      ...['--kinds', 'hash,sparse', '--budgets', '7%', '--seeds', '1,2', ...more],
    ],
    server.env,
  ).outcome;

function startWorker(): FarmWorker {
  const flags = ['--store', STORE, '--recipes', join(recipe('points'), '..'), '--work', at('work')];
  const worker = new FarmWorker(redis.url, ...flags);
  workers.push(worker);
  return worker;
}

test.skipIf(NO_S3)(
  'a worker that is killed and a store on S3 that is away: the results of a local sweep',
  async () => {
    await writeModel(at('base'));
    await Promise.all([redis.start(), server.start()]);
    Object.assign(process.env, server.env);
    const onFarm = () => sweep('farm', '--queue', redis.url, '--store', STORE, '--resume');
    const first = sweep('farm', '--queue', redis.url, '--store', STORE);
    const [killed, other] = [startWorker(), startWorker()];
    await killed.until('began');
    await killed.kill();
    await other.until('began');
    while ((await server.list('states/')).length === 0) await sleep(20);
    await server.stopAnswering();
    await other.until('given-back');
    await server.answerAgain();
    const { status } = await first;
    // It may have looked into the store while that was away.
    expect([0, 8]).toContain(status);
    if (status === 8) expect((await onFarm()).status).toBe(0);
    const reasons = other.events.flatMap(({ event, error }) => (event === 'given-back' ? error : []));
    expect(reasons[0]).toMatch(/s3:\/\/farm.*ECONNREFUSED/);
    expect(await server.list('states/')).toEqual([]);
    expect(await server.list('results/')).toHaveLength(4 + 2);

    expect((await sweep('local')).status).toBe(0);
    const payloads = readdirSync(at('local')).filter((file) => file.endsWith('.ndiff'));
    expect(payloads).toHaveLength(4);
    for (const file of payloads)
      expect(readFileSync(at('farm', file)).equals(readFileSync(at('local', file))), file).toBe(true);
  },
);
