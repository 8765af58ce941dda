import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HopelessError, JobQueue, type QueuedJob } from '../../../src/recipe/farm/queue.js';
import { command, program, scratch } from '../../cli/command.js';
import { freePort, hasRedis, RedisServer } from './rig.js';

const redis = new RedisServer({ folder: `${scratch()}/redis`, port: await freePort() });

/** Works on jobs until a condition holds. */
async function workUntil(
  queue: JobQueue,
  handle: (job: QueuedJob) => Promise<number | undefined>,
  isEnough: () => boolean,
): Promise<void> {
  const stop = new AbortController();
  const handled = async (job: QueuedJob): Promise<number | undefined> => {
    const delay = await handle(job);
    if (isEnough()) setTimeout(() => stop.abort(), 50);
    return delay;
  };
  await queue.work(handled, { slots: 4, signal: stop.signal });
}

describe.skipIf(!hasRedis)('JobQueue', () => {
  let queue: JobQueue;
  beforeAll(async () => {
    await redis.start();
    queue = await JobQueue.connect(redis.url);
  });
  afterAll(async () => {
    await queue?.close();
    await redis.stop();
  });

  test('a job is queued once, handled once, and forgotten when that is asked for', async () => {
    const data = { text: 'größe' };
    await queue.add([{ id: 'once', data }]);
    await queue.add([{ id: 'once', data: { text: 'other' } }]);
    expect(await queue.standings(['once', 'never'])).toEqual([{ state: 'open' }, { state: 'unknown' }]);
    const handled: unknown[] = [];
    const ended: string[] = [];
    const stop = await queue.follow({ onEnd: (id) => ended.push(id), onProgress: () => {} });
    await workUntil(
      queue,
      async (job) => void handled.push(job),
      () => handled.length > 0,
    );
    expect(handled).toEqual([{ id: 'once', data, taken: 1 }]);
    expect(await queue.standing('once')).toEqual({ state: 'done' });
    await stop();
    expect(ended).toEqual(['once']);
    await queue.forget('once');
    expect(await queue.standing('once')).toEqual({ state: 'unknown' });
  });

  test('a job that is given back comes again; one that is to be the first comes before those that wait', async () => {
    await queue.add(['a', 'b'].map((id) => ({ id, data: {} })));
    await queue.add([{ id: 'c', data: {}, isFirst: true }]);
    const seen: string[] = [];
    const handle = async ({ id, taken }: QueuedJob) => {
      seen.push(id);
      return id === 'a' && taken === 1 ? 10 : undefined;
    };
    await workUntil(queue, handle, () => seen.length === 4);
    expect(seen[0]).toBe('c');
    expect(seen.sort()).toEqual(['a', 'a', 'b', 'c']);
  });

  test('a job that is given back for a while waits, is woken, and drained', async () => {
    await queue.add(['long', 'woken'].map((id) => ({ id, data: { id } })));
    const handle = async ({ id, taken }: QueuedJob) => (id === 'woken' && taken > 1 ? undefined : 600_000);
    const workFor = (milliseconds: number) =>
      queue.work(handle, { slots: 2, signal: AbortSignal.timeout(milliseconds) });
    await workFor(700);
    expect(await queue.facts()).toMatchObject({ waiting: 2, running: 0 });
    await queue.wake((data) => (data as { id: string }).id === 'woken');
    await workFor(700);
    expect(await queue.standings(['long', 'woken'])).toEqual([{ state: 'open' }, { state: 'done' }]);
    expect(await queue.drain()).toBe(1);
  });

  test('a hopeless job fails at once, another one after three tries; both are queued again, and drained', async () => {
    await queue.add([
      { id: 'hopeless', data: {} },
      { id: 'failing', data: {} },
    ]);
    const tries: string[] = [];
    const handle = async ({ id }: QueuedJob): Promise<undefined> => {
      tries.push(id);
      if (tries.length === 4) setTimeout(() => stop.abort(), 100);
      throw id === 'hopeless' ? new HopelessError('never') : new Error('not now');
    };
    const stop = new AbortController();
    await queue.work(handle, { slots: 1, signal: stop.signal });
    expect(tries).toEqual(['hopeless', 'failing', 'failing', 'failing']);
    expect(await queue.standing('hopeless')).toEqual({ state: 'failed', reason: 'never' });
    const { failed, failures } = await queue.facts();
    expect([failed, failures.map(({ id }) => id).sort()]).toEqual([2, ['failing', 'hopeless']]);
    expect(await queue.retry()).toBe(2);
    expect(await queue.facts()).toMatchObject({ failed: 0, waiting: 2, running: 0 });
    expect(await queue.drain()).toBe(2);
    expect(await queue.facts()).toMatchObject({ failed: 0, waiting: 0 });
  });

  test('thousands of jobs are queued, looked for, and removed', async () => {
    const jobs = Array.from({ length: 2_345 }, (_, i) => ({ id: `many-${i}`, data: { i } }));
    await queue.add(jobs);
    const standings = await queue.standings(jobs.map(({ id }) => id));
    expect(standings.filter(({ state }) => state === 'open')).toHaveLength(2_345);
    expect(await queue.drain()).toBe(2_345);
  });
});

test.each([
  ['redis://:secret@127.0.0.1:1', 8, 'network'],
  ['redis://:secret@no-such-host.invalid:6379', 8, 'network'],
])('a queue at %s cannot be reached', async (url, status, code) => {
  const outcome = await command('farm', 'status', '--queue', url, '--json');
  expect([outcome.status, JSON.parse(outcome.stdout).error.code]).toEqual([status, code]);
  expect(outcome.stdout + outcome.stderr).not.toContain('secret');
});

test.each([
  'http://user:secret@host:6379',
  '//:secret@host',
  'redis:secret@host',
  'redis://:secret@host:port',
])('a queue at %s is refused, and its password is not printed', async (url) => {
  const { status, stdout, stderr } = await program('farm', 'status', '--queue', url);
  expect([status, stderr.includes('expected redis://host:6379')]).toEqual([2, true]);
  expect(stdout + stderr).not.toContain('secret');
  await expect(JobQueue.connect(url)).rejects.toThrow(RangeError);
});
