import type { ChildProcess } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { NeuralDiffError } from '../../../src/model/errors.js';
import { S3Files } from '../../../src/recipe/farm/s3-files.js';
import { readAll } from '../../../src/recipe/farm/store-files.js';
import { type Outcome, recipe, scratch, start, writeModel } from '../../cli/command.js';
import { codeOf, seededBytes } from '../../support.js';
import { NO_S3, S3Server } from './s3-rig.js';

const folder = scratch();
const at = (...names: string[]): string => join(folder, ...names);
const server = new S3Server(at('server'));
const STORE = `s3://${S3Server.bucket}/updates/2026`;
const JOB = 'hash-7pct-seed3';

const sweepArgs = (out: string, ...more: string[]) => [
  ...['sweep', '--base', at('base'), '--recipe', recipe('points'), '--epochs', '60', '-o', at(out)],
  ...['--kinds', 'hash', '--budgets', '7%', '--seeds', '3', ...more],
];

const runArgs = (out: string, { job = JOB, store = STORE } = {}) => [
  ...['job', 'run', at('jobs', `${job}.job.json`), '--store', store, '--work', at('work'), '-o', at(out)],
  ...['--progress', 'json'],
];

/** @returns the number of the first step that a job reports */
function stepOf({ stderr }: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    stderr?.on('data', (chunk) => {
      const [, done] = /"(?:fine-tune|diff)".*?"done":(\d+)/.exec(String(chunk)) ?? [];
      if (done) resolve(Number(done));
    });
  });
}

const program = (args: string[], env: object = {}): Promise<Outcome> =>
  start(args, { ...server.env, ...env }).outcome;

describe.skipIf(NO_S3)('a store on S3', () => {
  beforeAll(async () => {
    await server.start();
    for (const [name, value] of Object.entries(server.env)) vi.stubEnv(name, value);
    await writeModel(at('base'));
    const emit = sweepArgs('jobs', '--emit', 'jobs', '--store', STORE);
    const [local, emitted] = await Promise.all([program(sweepArgs('local')), program(emit)]);
    expect([local.status, emitted.status]).toEqual([0, 0]);
  });

  afterAll(async () => {
    vi.unstubAllEnvs();
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  test('a job that is killed, and then loses its store, goes on: the bytes of a local sweep', async () => {
    const killed = start(runArgs('cut'), server.env);
    while ((await server.list('updates/2026/states/')).length === 0 && killed.child.exitCode === null)
      await sleep(20);
    killed.child.kill('SIGKILL');
    await killed.outcome;

    const alone = start(runArgs('cut'), server.env);
    await stepOf(alone.child);
    await server.stopAnswering();
    const { status, stderr } = await alone.outcome;
    expect([status, stderr]).toEqual([8, expect.stringContaining('(network)')]);
    await server.answerAgain();

    const last = start(runArgs('cut'), server.env);
    expect(await stepOf(last.child)).toBeGreaterThan(5);
    expect((await last.outcome).status).toBe(0);
    expect(readFileSync(at('cut', 'payload.ndiff'))).toEqual(readFileSync(at('local', `${JOB}.ndiff`)));
    expect(await server.list('updates/2026/states/')).toEqual([]);
    expect(await server.list('')).toEqual(await server.list('updates/2026/'));
  });

  test.each([
    ['another secret', {}, { AWS_SECRET_ACCESS_KEY: 'other' }, 2, 'file-unreadable', 'AWS_SECRET_ACCESS_KEY'],
    ['an unknown key', {}, { AWS_ACCESS_KEY_ID: 'farm:other' }, 2, 'file-unreadable', 'AWS_ACCESS_KEY_ID'],
    ['no key', {}, { AWS_ACCESS_KEY_ID: '' }, 2, 'file-unreadable', 'set AWS_ACCESS_KEY_ID'],
    ['no region', {}, { AWS_REGION: '' }, 2, 'file-unreadable', 'set AWS_REGION'],
    ['no such bucket', { store: 's3://none/at-all' }, {}, 2, 'file-not-found', 'make the bucket'],
    ['no server', {}, { AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:9' }, 8, 'network', 'ECONNREFUSED'],
    ['another scheme', { store: 'gs://bucket' }, {}, 2, 'usage', 'expected a folder or s3://'],
  ])('%s is an error that says what to do', async (_what, more, env, status, code, words) => {
    const ended = await program([...runArgs('refused', more), '--json'], env);
    const { error } = JSON.parse(ended.stdout);
    expect([ended.status, error.code]).toEqual([status, code]);
    expect(error.message).toContain(words);
  });

  test('an object that is damaged is refused', async () => {
    const { id: _id, ...job } = JSON.parse(readFileSync(at('jobs', `${JOB}.job.json`), 'utf8'));
    const digest: string = job.base.files['model.json'];
    const key = `updates/2026/objects/${digest.slice(0, 2)}/${digest}`;
    // As if its bytes had changed on the server: what was written with it stays.
    await server.put(key, seededBytes(3, 500), { sha256: digest });
    writeFileSync(at('jobs', 'seed-9.job.json'), JSON.stringify({ ...job, seed: 9 }));
    const ended = await program(runArgs('damaged', { job: 'seed-9' }));
    expect([ended.status, ended.stderr]).toEqual([
      1,
      expect.stringContaining(`"s3://${S3Server.bucket}/${key}"`),
    ]);
    expect(ended.stderr).toContain('storage-mismatch');
  });

  test('a server that breaks off a transfer is an error; of an upload nothing is seen', async () => {
    const files = await S3Files.open({ url: STORE, endpoint: server.endpoint });
    const megabyte = seededBytes(4, 2 ** 20);
    const pieces = async function* (interrupt: () => Promise<void>) {
      for (let i = 0; i < 24; i++) {
        if (i === 20) await interrupt();
        yield megabyte;
      }
    };
    await files.write(
      'whole',
      pieces(async () => {}),
    );
    const { bytes, pieces: read } = await files.read('whole');
    expect(bytes).toBe(24 * 2 ** 20);
    const first = read[Symbol.asyncIterator]();
    await first.next();
    await server.stopAnswering();
    expect(await codeOf(() => readAll({ bytes, pieces: { [Symbol.asyncIterator]: () => first } }))).toBe(
      'network',
    );
    await server.answerAgain();
    const cut = files.write(
      'cut',
      pieces(() => server.stopAnswering()),
    );
    expect(await codeOf(() => cut)).toBe('network');
    await server.answerAgain();
    expect(await codeOf(() => files.read('cut'))).toBe('file-not-found');
    expect(await codeOf(() => files.write('own', failing()))).toBe('file-unreadable');
  });
});

/** Content whose source fails. */
async function* failing() {
  yield new Uint8Array(10);
  throw new NeuralDiffError('file-unreadable', 'Cannot read "source"');
}
