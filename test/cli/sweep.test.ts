import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { command, expectRefusal, type Outcome, recipe, scratch, start, writeModel } from './command.js';

const folder = scratch();
const at = (...names: string[]): string => join(folder, ...names);
const base = at('base');
const shared = ['--base', base, '--recipe', recipe('points'), '--epochs', '4'];
const grid = ['--kinds', 'hash,sparse', '--budgets', '7%', '--seeds', '3'];
const [HASH, SPARSE] = ['hash-7pct-seed3.ndiff', 'sparse-7pct-seed3.ndiff'] as const;

/** Runs a sweep; flags given again replace those before. */
const sweep = (out: string, ...more: string[]): Promise<Outcome> =>
  command('sweep', ...shared, ...grid, '-o', at(out), ...more);

/** Runs a sweep of one seed by the moody recipe. */
const moody = (out: string, seeds: string, ...more: string[]) =>
  sweep(out, '--recipe', recipe('moody'), '--kinds', 'hash', '--seeds', seeds, ...more);

const resultsOf = (out: string) => JSON.parse(readFileSync(at(out, 'results.json'), 'utf8'));

let first: Outcome;

beforeAll(async () => {
  await writeModel(base);
  first = await sweep('first', '--workers', '2', '--json');
});

test('sweep writes every payload and results.json, and reports the same as JSON', () => {
  expect(first.status).toBe(0);
  expect(readdirSync(at('first')).sort()).toEqual([HASH, 'results.json', SPARSE]);
  const results = resultsOf('first');
  expect(JSON.parse(first.stdout)).toEqual({ out: at('first'), ...results });
  expect(results).toMatchObject({ format: 'neural-diff sweep', version: 1, settings: { epochs: 4 } });
  expect(results.rows.map(({ file }: { file: string }) => file)).toEqual([HASH, SPARSE]);
  for (const row of results.rows) {
    expect(row.payloadBytes).toBe(statSync(at('first', row.file)).size);
    expect(row.payloadBytes).toBeLessThanOrEqual(row.budgetBytes);
    expect(row.base).toBe(results.settings.base);
    expect(row.metrics.diff.accuracy).toBeGreaterThan(row.metrics.base.accuracy + 0.2);
  }
  expect(first.stderr).toMatch(/^0\/2 ended {2}\S+ and 1 more fine-tune 1\/24$/m);
  expect(first.stderr).toMatch(/^2\/2 ended {2}\S+seed3: \d+ B, \d.* of the float32 model$/m);
});

test.each(['hash', 'sparse'])(
  'a payload of a sweep is that of train %s with the same flags',
  async (kind) => {
    const alone = at(`${kind}.ndiff`);
    const { status } = await command('train', kind, ...shared, '--budget', '7%', '--seed', '3', '-o', alone);
    expect(status).toBe(0);
    expect(readFileSync(at('first', `${kind}-7pct-seed3.ndiff`))).toEqual(readFileSync(alone));
  },
);

test('sweep --force trains everything again, with one worker to the same bytes, and prints a table', async () => {
  cpSync(at('first'), at('forced'), { recursive: true });
  writeFileSync(at('forced', HASH), 'old');
  const { status, stdout, stderr } = await sweep('forced', '--force', '--workers', '1', '--quiet');
  expect([status, stderr]).toEqual([0, '']);
  for (const file of [HASH, SPARSE, 'results.json']) {
    expect(readFileSync(at('forced', file))).toEqual(readFileSync(at('first', file)));
  }
  const lines = stdout.trimEnd().split('\n');
  expect(lines.pop()).toMatch(
    /^accuracy on \d+ validation examples: of the base, of the full fine-tune, of the payload$/,
  );
  expect(lines[0]).toMatch(/^ +kind +budget +seed +bytes +share +base +full +accuracy$/);
  expect(new Set(lines.map(({ length }) => length)).size).toBe(1);
  expect(lines.length).toBe(3);
});

test('sweep does not replace anything unasked', async () => {
  await expectRefusal(sweep('first', '--json'), 'output-exists', '--resume keeps what is finished');
  await expectRefusal(sweep('first', '--json', '--budgets', '9%'), 'output-exists', 'results.json');
});

test('sweep --resume keeps what is finished and trains the rest', async () => {
  cpSync(at('first'), at('resumed'), { recursive: true });
  rmSync(at('resumed', SPARSE));
  const kept = statSync(at('resumed', HASH)).mtimeMs;
  const plan = await sweep('resumed', '--resume', '--dry-run', '--json');
  const jobs: { isFinished: boolean }[] = JSON.parse(plan.stdout).jobs;
  expect(jobs.map(({ isFinished }) => isFinished)).toEqual([true, false]);
  const { status, stderr } = await sweep('resumed', '--resume');
  expect([status, stderr.includes('1/1 ended')]).toEqual([0, true]);
  expect(statSync(at('resumed', HASH)).mtimeMs).toBe(kept);
  for (const file of [SPARSE, 'results.json']) {
    expect(readFileSync(at('resumed', file))).toEqual(readFileSync(at('first', file)));
  }
});

test('sweep --resume lists what an earlier sweep left outside of the grid', async () => {
  cpSync(at('first'), at('grown'), { recursive: true });
  const { status, stdout } = await sweep('grown', '--resume', '--kinds', 'hash', '--budgets', '8%', '-q');
  expect([status, stdout.trimEnd().split('\n').length]).toEqual([0, 3]);
  const files = resultsOf('grown').rows.map(({ file }: { file: string }) => file);
  expect(files).toEqual(['hash-8pct-seed3.ndiff', HASH, SPARSE]);
});

test('sweep gives a job the payload of a smaller budget that does better', async () => {
  cpSync(at('first'), at('monotone'), { recursive: true });
  const results = resultsOf('monotone');
  const [smaller, sparse] = results.rows;
  smaller.metrics.diff.accuracy = 1.5;
  writeFileSync(at('monotone', 'results.json'), JSON.stringify(results));
  const flags = ['--kinds', 'hash', '--budgets', '9%,7%', '--resume', '-q'];
  const file = 'hash-9pct-seed3.ndiff';
  for (let run = 0; run < 2; run++) {
    const { status, stdout } = await sweep('monotone', ...flags);
    expect([status, stdout]).toEqual([0, expect.stringContaining(`${file} is ${HASH}: its own payload`)]);
  }
  const taken = { ...smaller, budget: '9%', budgetBytes: expect.any(Number), file, takenFrom: HASH };
  expect(resultsOf('monotone').rows).toEqual([taken, smaller, sparse]);
  expect(readFileSync(at('monotone', file))).toEqual(readFileSync(at('first', HASH)));
});

test('sweep --resume refuses other settings, other payloads and other documents', async () => {
  cpSync(at('first'), at('other'), { recursive: true });
  await expectRefusal(sweep('other', '--resume', '--json', '--epochs', '5'), 'output-exists', 'epochs 4');
  writeFileSync(at('other', SPARSE), readFileSync(at('other', HASH)));
  await expectRefusal(sweep('other', '--resume', '--json'), 'output-exists', 'not the payload of its row');
  writeFileSync(at('other', 'results.json'), '[]');
  await expectRefusal(sweep('other', '--resume', '--json'), 'output-exists', 'the results of a sweep');
});

test('sweep --dry-run lists the jobs with their bytes and writes nothing', async () => {
  const { status, stdout } = await sweep(
    'never',
    '--budgets',
    '7%,900,1 kB',
    '--kinds',
    'sparse',
    '--dry-run',
  );
  expect(status).toBe(0);
  expect(stdout).toMatch(/^base {4}[0-9a-f]{32}\ntrains {2}6 tensors, 2371 of 2371 weights\n/);
  expect(stdout).toContain('would train  sparse-7pct-seed3.ndiff  at most 663 bytes');
  expect(stdout).toContain('would train  sparse-900-seed3.ndiff  at most 900 bytes');
  expect(stdout).toContain('would train  sparse-1kb-seed3.ndiff  at most 1000 bytes');
  expect(existsSync(at('never'))).toBe(false);
});

test('a job that fails keeps the others, has its error in results.json, and gives its exit status', async () => {
  const { status, stdout } = await moody('failed', '1,2');
  expect(status).toBe(2);
  expect(stdout).toMatch(
    /^failed: hash 7% seed 2: Recipe ".*" failed at .*moody\.mjs:6:33: not today \(recipe-failed\)$/m,
  );
  expect(readdirSync(at('failed')).sort()).toEqual(['hash-7pct-seed1.ndiff', 'results.json']);
  const [trained, failed] = resultsOf('failed').rows;
  expect(trained.file).toBe('hash-7pct-seed1.ndiff');
  expect(failed).toMatchObject({ kind: 'hash', seed: 2, error: { code: 'recipe-failed' } });
});

test('jobs that fail in different ways give exit status 1', async () => {
  const { status, stdout } = await moody('differ', '2,3', '--json');
  const { rows } = JSON.parse(stdout);
  expect(rows.map(({ error }: { error: { code: string } }) => error.code)).toEqual([
    'recipe-failed',
    'training-diverged',
  ]);
  expect(status).toBe(1);
});

test('Ctrl-C keeps what is finished, says so, and leaves nothing half', async () => {
  const out = at('interrupted');
  const seeds = ['--kinds', 'hash', '--budgets', '7%', '--seeds', '1,4', '--workers', '2'];
  const { child, outcome } = start(['sweep', ...shared, '--recipe', recipe('moody'), ...seeds, '-o', out]);
  child.stderr?.on('data', (text) => String(text).includes('1/2 ended') && child.kill('SIGINT'));
  const { status, stderr } = await outcome;
  expect(status).toBe(130);
  expect(stderr).toContain('interrupted; kept hash-7pct-seed1.ndiff in');
  expect(readdirSync(out).sort()).toEqual(['hash-7pct-seed1.ndiff', 'results.json']);
  expect(resultsOf('interrupted').rows.length).toBe(1);
  const { status: resumed, stderr: none } = await moody('interrupted', '1', '--resume', '-q');
  expect([resumed, none]).toEqual([0, '']);
});

test('Ctrl-C before anything is finished leaves nothing', async () => {
  const out = at('early');
  const endless = ['--recipe', recipe('endless'), '--epochs', '100000'];
  const { child, outcome } = start(['sweep', ...shared, ...grid, ...endless, '-o', out]);
  child.stderr?.once('data', () => child.kill('SIGINT'));
  const { status, stderr } = await outcome;
  expect(status).toBe(130);
  expect(stderr).toContain('interrupted; nothing was written');
  expect(existsSync(out)).toBe(false);
});

test.each([
  ['kind "magic"', ['--kinds', 'hash,magic']],
  ['expected a list with commas', ['--budgets', '7%,,9%']],
  ['"hash-7pct-seed3.ndiff" twice', ['--budgets', '7%,7 %']],
  ['seed "1.5"', ['--seeds', '1.5']],
  ['seed 4294967296', ['--seeds', '4294967296']],
  ['0 workers', ['--workers', '0']],
  ['--force and --resume', ['--force', '--resume']],
  ['budget "plenty"', ['--budgets', 'plenty']],
])('sweep refuses %s', async (message, flags) => {
  await expectRefusal(sweep('refused', ...flags, '--json', '--dry-run'), 'usage', message);
});

test('sweep refuses budgets, recipes and folders that cannot work before it trains', async () => {
  await expectRefusal(sweep('refused', '--budgets', '7%,9', '--json'), 'budget-impossible', '9 bytes');
  await expectRefusal(sweep('refused', '--recipe', recipe('no-loss'), '--json'), 'recipe-invalid', '"loss"');
  await expectRefusal(sweep('no/where', '--json'), 'file-not-found', 'where');
  await expectRefusal(sweep('base/model.json', '--json'), 'file-not-found', 'model.json');
  expect(existsSync(at('refused'))).toBe(false);
});
