import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, expect, test } from 'vitest';
import { command, recipe, scratch, start, writeModel } from '../../cli/command.js';

const folder = scratch();
const at = (...names: string[]): string => join(folder, ...names);
const [HASH, SPARSE] = ['hash-7pct-seed3', 'sparse-7pct-seed3'] as const;

const sweep = (out: string, ...more: string[]) =>
  command(
    ...['sweep', '--base', at('base'), '--recipe', recipe('points'), '--epochs', '60', '-o', at(out)],
    ...['--kinds', 'hash,sparse', '--budgets', '7%', '--seeds', '3', ...more],
  );

const runArgs = (job: string, out: string, store = 'store') => [
  ...['job', 'run', at('jobs', `${job}.job.json`), '--store', at(store), '--work', at('work'), '-o', at(out)],
];

const payloadOf = (out: string) => readFileSync(at(out, 'payload.ndiff'));

beforeAll(async () => {
  await writeModel(at('base'));
  expect((await sweep('local')).status).toBe(0);
  const emitted = await sweep('jobs', '--emit', 'jobs', '--store', at('store'), '--json');
  expect(emitted.status).toBe(0);
  expect(JSON.parse(emitted.stdout).files).toEqual(
    [HASH, SPARSE].map((name) => at('jobs', `${name}.job.json`)),
  );
});

test('a job makes the payload that the sweep makes, and the second time none is trained', async () => {
  const first = await command(...runArgs(SPARSE, 'first'), '--json');
  expect(first.status).toBe(0);
  expect(JSON.parse(first.stdout)).toMatchObject({ isKept: false, facts: { share: expect.any(Number) } });
  expect(payloadOf('first').equals(readFileSync(at('local', `${SPARSE}.ndiff`)))).toBe(true);
  const second = await command(...runArgs(SPARSE, 'second'), '--json');
  expect(JSON.parse(second.stdout)).toMatchObject({ isKept: true });
  for (const file of ['payload.ndiff', 'curve.json', 'log.txt', 'result.json'])
    expect(readFileSync(at('second', file)).equals(readFileSync(at('first', file))), file).toBe(true);
  expect(readdirSync(at('store', 'states'))).toEqual([]);
});

test('the result has the learning curve and a line for each epoch', async () => {
  await command(...runArgs(SPARSE, 'curve'));
  const curve = JSON.parse(readFileSync(at('curve', 'curve.json'), 'utf8'));
  const { facts } = JSON.parse(readFileSync(at('curve', 'result.json'), 'utf8'));
  expect(curve).toMatchObject({ format: 'neural-diff curve', next: facts.next });
  expect(curve.epochs).toHaveLength(60);
  expect(Object.keys(curve.epochs[59].metrics)).toEqual(['loss', 'accuracy']);
  const lines = readFileSync(at('curve', 'log.txt'), 'utf8').split('\n');
  expect(lines[0]).toMatch(/^neural-diff \d/);
  expect(lines[1]).toMatch(/^job [0-9a-f]{64}: full fine-tune, seed 3, points.mjs$/);
  expect(lines[2]).toMatch(/^fine-tune {2}epoch 1\/4 {2}loss \d\.\d+$/);
  expect(lines[6]).toMatch(/^ended after \d+\.\d s$/);
  expect(lines[8]).toMatch(/^job [0-9a-f]{64}: sparse of \d+ bytes, seed 3, points.mjs$/);
  expect(lines.filter((line) => line.startsWith('diff  epoch'))).toHaveLength(60);
  expect(lines[9]).toMatch(/^diff {2}epoch 1\/60 {2}loss [\d.]+ {2}.*validation accuracy [\d.]+$/);
});

test('a job that is killed again and again goes on, and makes the same payload', async () => {
  let kills = 0;
  for (;;) {
    const { child, outcome } = start(runArgs(HASH, 'killed'));
    const isDone = await Promise.race([outcome.then(() => true), sleep(1200 + 150 * kills, false)]);
    if (isDone) break;
    child.kill('SIGKILL');
    await outcome;
    kills++;
  }
  expect(kills).toBeGreaterThan(0);
  expect(readdirSync(at('killed')).sort()).toEqual(['curve.json', 'log.txt', 'payload.ndiff', 'result.json']);
  const log = readFileSync(at('killed', 'log.txt'), 'utf8');
  expect(log.match(/^diff {2}epoch/gm)).toHaveLength(60);
  expect(payloadOf('killed').equals(readFileSync(at('local', `${HASH}.ndiff`)))).toBe(true);
});

test('a job goes on from the state of its store, not from the start', async () => {
  await sweep('cut-jobs', '--emit', 'jobs', '--store', at('cut-store'));
  const { child, outcome } = start(runArgs(HASH, 'cut', 'cut-store'));
  const states = at('cut-store', 'states');
  // The state of a run, not the temporary file that becomes it.
  const isState = (path: string | Buffer): boolean => /[\\/]run-\d+$/.test(String(path));
  const hasState = () => existsSync(states) && readdirSync(states, { recursive: true }).some(isState);
  while (!hasState() && child.exitCode === null) await sleep(20);
  child.kill('SIGKILL');
  await outcome;
  const rest = await command(...runArgs(HASH, 'cut', 'cut-store'), '--progress', 'json');
  expect(rest.status).toBe(0);
  const steps = rest.stderr.split('\n').filter((line) => /"fine-tune"|"diff"/.test(line));
  expect(JSON.parse(steps[0] as string).done).toBeGreaterThan(5);
  expect(payloadOf('cut').equals(readFileSync(at('local', `${HASH}.ndiff`)))).toBe(true);
});

test('a dry run says what would be done, and does nothing', async () => {
  const { status, stdout } = await command(...runArgs(HASH, 'dry'), '--dry-run');
  expect(status).toBe(0);
  expect(stdout).toMatch(/would take the result of the store: hash of \d+ bytes, seed 3/);
  expect(existsSync(at('dry'))).toBe(false);
});

/** Writes a job like another one. */
function writeJob(name: string, change: object): void {
  const job = JSON.parse(readFileSync(at('jobs', `${HASH}.job.json`), 'utf8'));
  writeFileSync(at('jobs', `${name}.job.json`), JSON.stringify({ ...job, ...change }));
}

async function expectRefused(args: string[], expected: [number, string, string]): Promise<void> {
  const { status, stdout } = await command(...args, '--json');
  const { code, message } = JSON.parse(stdout).error;
  expect([status, code, message]).toEqual([expected[0], expected[1], expect.stringContaining(expected[2])]);
}

test('a job whose id is of another content is refused', async () => {
  writeJob('other', { seed: 4 });
  await expectRefused(runArgs('other', 'other'), [2, 'bad-document', 'expected id']);
  writeFileSync(at('jobs', 'text.job.json'), 'hello');
  await expectRefused(runArgs('text', 'other'), [2, 'bad-document', 'not JSON']);
});

test('a job of another version of the package is refused', async () => {
  writeJob('old', { package: '0.0.1', id: undefined });
  await expectRefused(runArgs('old', 'old'), [5, 'job-refused', 'neural-diff 0.0.1']);
});

test('a store that lacks a file of the job, or has a damaged one, is refused', async () => {
  writeJob('seed', { seed: 9, id: undefined });
  await expectRefused(runArgs('seed', 'seed', 'empty'), [2, 'file-not-found', 'objects']);
  const { base } = JSON.parse(readFileSync(at('jobs', `${HASH}.job.json`), 'utf8'));
  const digest: string = base.files['model.json'];
  const object = at('store', 'objects', digest.slice(0, 2), digest);
  const content = readFileSync(object);
  writeFileSync(object, content.subarray(0, statSync(object).size - 1));
  await expectRefused(runArgs('seed', 'seed'), [1, 'storage-mismatch', 'damaged']);
  writeFileSync(object, content);
});

test.each([
  [['--emit', 'jobs'], /--store with --emit/],
  [['--queue', 'redis://localhost'], /--store with --queue/],
  [['--store', 'store'], /--queue or --emit/],
  [['--queue', 'redis://localhost', '--store', 'store', '--workers', '2'], /--workers/],
])('sweep refuses flags that do not go together: %s', async (flags, words) => {
  const { status, stderr } = await sweep('flags', ...flags);
  expect(status).toBe(2);
  expect(stderr).toMatch(words);
});
