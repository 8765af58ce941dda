import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { JobQueue } from '../../../src/recipe/farm/queue.js';
import { serveJobs, type WorkerEvent } from '../../../src/recipe/farm/serve-jobs.js';
import { FarmStore } from '../../../src/recipe/farm/store.js';
import { command, program, recipe, scratch, start, writeModel } from '../../cli/command.js';
import { FarmWorker, freePort, hasRedis, RedisServer } from './rig.js';

const folder = scratch();
const at = (...names: string[]): string => join(folder, ...names);
const PASSWORD = 'geheim';
const redis = new RedisServer({ folder: at('redis'), port: await freePort(), password: PASSWORD });
const farm = ['--queue', redis.url];
const workers: FarmWorker[] = [];

function startWorker(name: string, ...flags: string[]): FarmWorker {
  const worker = new FarmWorker(redis.url, '--store', at('store'), '--work', at(name), ...flags);
  workers.push(worker);
  return worker;
}

const trusting = ['--recipes', join(recipe('points'), '..')];

/** The arguments of a sweep of two jobs. */
const sweep = (out: string, ...more: string[]): string[] => [
  ...['sweep', '--base', at('base'), '--recipe', recipe('points'), '-o', at(out)],
  ...['--kinds', 'hash,sparse', '--budgets', '7%', '--seeds', '3', ...more],
];
const onFarm = [...farm, '--store', at('store')];

/** Expects a folder to have the bytes of a local sweep. */
function expectLocal(out: string): void {
  const files = readdirSync(at('local'));
  expect(readdirSync(at(out)).sort()).toEqual(files.sort());
  for (const file of files)
    expect(readFileSync(at(out, file)).equals(readFileSync(at('local', file))), file).toBe(true);
}

describe.skipIf(!hasRedis)('a farm', () => {
  beforeAll(async () => {
    await Promise.all([writeModel(at('base')), redis.start()]);
    expect((await command(...sweep('local'))).status).toBe(0);
  });
  afterAll(async () => {
    await Promise.all(workers.map((worker) => worker.kill()));
    await redis.stop();
  });

  test('two workers make the bytes of a local sweep, each job once; the second time none', async () => {
    const two = [startWorker('work-1', ...trusting), startWorker('work-2', ...trusting)];
    expect(await command(...sweep('farm', ...onFarm))).toMatchObject({ status: 0 });
    expectLocal('farm');
    const events = () => two.flatMap((worker) => worker.events);
    await two[0]?.kill('SIGTERM');
    expect(await two[1]?.kill('SIGTERM')).toBe(0);
    const done = events().filter(({ event }) => event === 'done');
    // Two diffs and their full fine-tune.
    expect(new Set(done.map(({ id }) => id)).size).toBe(3);
    expect(done).toHaveLength(3);
    // There are no workers now.
    expect(await command(...sweep('again', ...onFarm))).toMatchObject({ status: 0 });
    expectLocal('again');
  });

  test('train auto --max-gap makes the tries and the bytes of a local search, and keeps them in the store', async () => {
    const two = [startWorker('work-1', ...trusting), startWorker('work-2', ...trusting)];
    const search = (out: string, ...more: string[]) =>
      command(
        ...['train', 'auto', '--base', at('base'), '--recipe', recipe('points'), '--epochs', '2'],
        // The smallest budget is impossible.
        ...['--max-gap', '30%', '--least', '250', '--most', '12%', '--tries', '4', '--precision', '2'],
        ...['--seed', '3', '--metric', 'loss', '--json', '-o', at(out), ...more],
      );
    const local = await search('found.ndiff');
    const remote = await search('found-farm.ndiff', ...onFarm);
    const same = ({ status, stdout }: typeof local) => [status, { ...JSON.parse(stdout), out: '' }];
    expect(same(remote)).toEqual(same(local));
    expect(local.status).toBe(0);
    expect(readFileSync(at('found-farm.ndiff')).equals(readFileSync(at('found.ndiff')))).toBe(true);
    for (const worker of two) await worker.kill('SIGTERM');
    expect(same(await search('found-again.ndiff', ...onFarm))).toEqual(same(local));
  });

  test('a worker gives back a recipe that it was not told to trust, until it is told its digest', async () => {
    const stranger = ['--allow-recipe', 'ab'.repeat(32)];
    const refusing = startWorker('work-1', ...stranger);
    const { outcome } = start(sweep('trusted', ...onFarm, '--epochs', '2', '--kinds', 'hash'));
    const { code, facts, error } = await refusing.until('given-back');
    const digest = facts?.recipe as string;
    expect([code, digest]).toEqual(['job-refused', expect.stringMatching(/^[0-9a-f]{64}$/)]);
    expect(error).toContain(`--allow-recipe ${digest}`);
    await refusing.kill();
    const allowed = startWorker('work-2', '--allow-recipe', digest);
    expect(await outcome).toMatchObject({ status: 0 });
    expect(allowed.events.map(({ event }) => event)).toContain('done');
    await allowed.kill('SIGTERM');
  });

  test('report runs the models on workers, and writes the bytes of a local one; the second time none', async () => {
    const [full, files] = [at('full'), at('files.ndiff')];
    const training = ['--base', at('base'), '--recipe', recipe('points'), '--seed', '3'];
    expect((await command('fine-tune', ...training, '-o', full)).status).toBe(0);
    expect((await command('diff', at('base'), full, '--files', '-o', files)).status).toBe(0);
    const report = (out: string, ...more: string[]) => [
      ...['report', '--base', at('base'), '--next', full, '--recipe', recipe('tested'), '--apply-runs', '0'],
      ...['--payload', at('local', 'hash-7pct-seed3.ndiff'), '--payload', files, '-o', at(out), ...more],
    ];
    const worker = startWorker('work-1', ...trusting);
    const written = async (out: string, ...more: string[]): Promise<string> => {
      expect(await command(...report(out, ...more))).toMatchObject({ status: 0 });
      return readFileSync(at(out, 'report.json'), 'utf8');
    };
    const local = await written('report-local');
    expect(await written('report-farm', ...onFarm)).toBe(local);
    const done = () => worker.events.filter(({ event }) => event === 'done').length;
    // The payload of files makes the full fine-tune: of both, one is run.
    expect(done()).toBe(3);
    expect(await written('report-again', ...onFarm)).toBe(local);
    expect(done()).toBe(3);
    await worker.kill('SIGTERM');
    const idle = await command(...report('report-idle', ...onFarm));
    expect([idle.status, idle.stderr]).toEqual([0, expect.stringContaining('the queue has no workers yet')]);
  });

  test('a worker of another version gives jobs back to those of the same', async () => {
    const queue = await JobQueue.connect(redis.url);
    const stop = new AbortController();
    const events: WorkerEvent[] = [];
    const serving = serveJobs(queue, {
      store: await FarmStore.open({ url: at('store') }),
      ...{ work: at('work-old'), version: '0.0.1', slots: 1, predictor: '' },
      recipes: { has: () => true } as never,
      signal: stop.signal,
      onEvent: (event) => events.push(event),
    });
    const { outcome } = start(sweep('versions', ...onFarm, '--epochs', '3', '--kinds', 'hash'));
    while (!events.some(({ type }) => type === 'given-back')) await sleep(50);
    stop.abort();
    await serving;
    await queue.close();
    const worker = startWorker('work-1', ...trusting);
    expect(await outcome).toMatchObject({ status: 0 });
    expect(events.every(({ type }) => type === 'began' || type === 'given-back')).toBe(true);
    expect(events.find(({ error }) => error)?.error).toMatchObject({ code: 'job-refused' });
    await worker.kill('SIGTERM');
  });

  test('a job that fails is tried three times and told by sweep and status; retry and drain', async () => {
    const worker = startWorker('work-1', ...trusting);
    const args = [...sweep('failing', ...onFarm), '--recipe', recipe('throws'), '--kinds', 'hash'];
    const { status, stdout } = await command(...args, '--json');
    const { code, message, facts } = JSON.parse(stdout).rows[0].error;
    expect([status, code, facts]).toEqual([
      2,
      'recipe-failed',
      { file: 'recipe/throws.mjs', line: 2, column: 9 },
    ]);
    expect(message).toBe('Recipe "recipe/throws.mjs" failed at recipe/throws.mjs:2:9: the disk is on fire');
    const tries = worker.events.filter(({ event }) => event === 'failed');
    await worker.kill('SIGTERM');
    // Of the full fine-tune, and of the diff.
    expect(tries.length).toBe(6);
    const found = JSON.parse((await command('farm', 'status', ...farm, '--json')).stdout);
    expect(found).toMatchObject({ waiting: 0, running: 0, failed: 2, workers: [] });
    expect(found.failures[0]).toMatchObject({ code: 'recipe-failed', tries: 3 });
    const text = (await command('farm', 'status', ...farm)).stdout;
    expect(text).toMatch(/failed {3}2\n {2}[0-9a-f]{12} {2}after 3 of 3 tries: .*the disk is on fire/);
    expect((await command('farm', 'retry', ...farm)).stdout).toBe('2 jobs queued again\n');
    expect((await command('farm', 'status', ...farm)).stdout).toMatch(/^waiting {2}2\n.*\nfailed {3}0\n/);
    expect((await command('farm', 'drain', ...farm)).stdout).toBe('2 jobs removed\n');
  });

  test('a job that is no job fails at once, with its reason', async () => {
    const queue = await JobQueue.connect(redis.url);
    await queue.add([{ id: 'no-job', data: { format: 'letter' } }]);
    const worker = startWorker('work-1', ...trusting);
    expect(await worker.until('failed')).toMatchObject({ id: 'no-job', code: 'bad-document' });
    await worker.kill('SIGTERM');
    expect(await queue.facts()).toMatchObject({ failures: [{ id: 'no-job', tries: 1 }] });
    await queue.forget('no-job');
    await queue.close();
  });

  test('a wrong password, and none, are told as such; the right one is never printed', async () => {
    for (const url of [redis.url.replace(PASSWORD, 'falsch'), redis.url.replace(`:${PASSWORD}@`, '')]) {
      const { status, stdout, stderr } = await command('farm', 'status', '--queue', url, '--json');
      expect([status, JSON.parse(stdout).error.code]).toEqual([8, 'network']);
      expect(stdout).toContain('Redis refuses the password');
      expect(stdout + stderr).not.toMatch(/falsch|geheim/);
    }
    for (const { stderr, events } of workers) expect(stderr + JSON.stringify(events)).not.toContain(PASSWORD);
  });

  test('over TLS, with a certificate that the process was told to trust', async () => {
    const [certificate, key] = [at('tls.crt'), at('tls.key')];
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
    const files = ['-keyout', key, '-out', certificate];
    const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
    execFileSync('openssl', ['req', ...kind, ...subject, ...files], { stdio: 'ignore' });
    const port = await freePort();
    const secured = new RedisServer({
      ...{ folder: at('redis-tls'), port, password: PASSWORD },
      tls: { certificate, key },
    });
    await secured.start();
    const status = ['farm', 'status', '--queue', secured.url];
    const untold = await command(...status);
    expect([untold.status, untold.stderr]).toEqual([8, expect.stringContaining('NODE_EXTRA_CA_CERTS')]);
    process.env.NODE_EXTRA_CA_CERTS = certificate;
    const told = await program(...status).finally(() => delete process.env.NODE_EXTRA_CA_CERTS);
    expect(told).toMatchObject({ status: 0, stdout: expect.stringContaining('waiting  0') });
    await secured.stop();
  });
});
