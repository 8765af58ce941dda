import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { EXHAUSTIVE } from '../exhaustive.js';
import { command, expectRefusal, type Outcome, recipe, scratch, start, writeModel } from './command.js';

const folder = scratch();
const at = (...names: string[]): string => join(folder, ...names);
const base = at('base');
const shared = ['--base', base, '--recipe', recipe('spirals'), '--metric', 'loss'];
const limits = ['--least', '250', '--most', '1.2 kB', '--precision', '1.2'];

/** The arguments of a search for the smallest diff; flags given again replace those before. */
const smallest = (out: string, ...more: string[]): string[] => {
  return ['train', 'auto', ...shared, '--max-gap', '0.3', ...limits, '-o', at(out), ...more];
};

const rowsOf = (work: string): { file?: string }[] =>
  JSON.parse(readFileSync(at(work, 'results.json'), 'utf8')).rows;

let first: Outcome;

beforeAll(async () => {
  await writeModel(base);
  first = await command(...smallest('first.ndiff', '--workers', '2', '--json', '--keep-work'));
});

test('train --max-gap writes the smallest payload and lists its tries as JSON', () => {
  expect([first.status, first.stderr.includes('kept the tries in')]).toEqual([0, true]);
  const report = JSON.parse(first.stdout);
  const payload = readFileSync(at('first.ndiff'));
  expect(report).toMatchObject({ out: at('first.ndiff'), payloadBytes: payload.length, metric: 'loss' });
  expect(report.goal).toMatchObject({ maxGap: 0.3, leastBytes: 250, mostBytes: 1200, tries: 12 });
  const { tries } = report;
  expect(Object.keys(tries[0])).toEqual([
    ...['kind', 'budgetBytes', 'payloadBytes', 'share', 'metrics', 'gap', 'verdict'],
  ]);
  const verdicts = tries.map(({ verdict }: { verdict: string }) => verdict);
  expect(verdicts.filter((verdict: string) => verdict === 'smallest').length).toBe(1);
  expect(verdicts[0]).toBe('misses');
  const { kind, budgetBytes } = report;
  expect(tries[verdicts.indexOf('smallest')]).toMatchObject({
    kind,
    budgetBytes,
    payloadBytes: payload.length,
  });
  expect(rowsOf('first.ndiff.search').length).toBe(tries.length);
  expect(first.stderr).toMatch(/^0 of at most 12 {2}full fine-tune 1\/120 {2}\d s so far$/m);
  expect(first.stderr).toMatch(
    /^1 of at most 12 {2}\w+ 250 B: \d+ bytes, loss \d\.\d{4}, (?:\d\.\d{4} (?:behind|better than)|no difference from) the full fine-tune {2}\d/m,
  );
});

test('train says how its figures were measured, and which gap is too small to be measured', async () => {
  const points = ['--base', base, '--recipe', recipe('points'), '--budget', '9%', '-o', at('points.ndiff')];
  const { stdout } = await command('train', 'hash', ...points);
  const figure = String.raw`[01]\.\d{4} ±0\.[01]\d{3}`;
  expect(stdout).toMatch(new RegExp(`^accuracy: base ${figure}  full ${figure}  diff ${figure}$`, 'm'));
  expect(stdout).toContain('on 96 validation examples; ± is half of the 95 % interval');
  const fine = [...points.slice(0, 4), '--max-gap', '0.5%', '--tries', '1', '--least', '9%', '--most', '9%'];
  const { stderr } = await command('train', 'auto', ...fine, '-o', at('fine.ndiff'));
  expect(stderr).toContain(
    'a gap of 0.50 % cannot be told from none: one of 96 validation examples is 1.04 %',
  );
});

test('the payload is what train gives with the kind and the budget of the winner', async () => {
  const { kind, budgetBytes } = JSON.parse(first.stdout);
  const args = ['--base', base, '--recipe', recipe('spirals'), '--budget', String(budgetBytes)];
  expect((await command('train', kind, ...args, '-o', at('alone.ndiff'))).status).toBe(0);
  expect(readFileSync(at('alone.ndiff'))).toEqual(readFileSync(at('first.ndiff')));
});

test.runIf(EXHAUSTIVE)(
  'a search with one worker makes the same tries and payload, prints a table, and leaves no folder',
  async () => {
    const { status, stdout, stderr } = await command(...smallest('second.ndiff', '--workers', '1', '-q'));
    expect([status, stderr]).toEqual([0, '']);
    expect(readFileSync(at('second.ndiff'))).toEqual(readFileSync(at('first.ndiff')));
    expect(readdirSync(folder).filter((name) => name.startsWith('second'))).toEqual(['second.ndiff']);
    const { tries } = JSON.parse(first.stdout);
    const lines = stdout.split('\n');
    expect(lines[0]).toMatch(/^ +kind +budget +bytes +share +loss +behind +verdict$/);
    expect(lines.slice(1, 1 + tries.length).map((line) => line.trim().split(/ +/)[1])).toEqual(
      tries.map(({ budgetBytes }: { budgetBytes: number }) => String(budgetBytes)),
    );
    expect(lines[1 + tries.length]).toMatch(/validation examples; behind: .*, below 0 is better$/);
    expect(lines[3 + tries.length]).toMatch(/^payload {2}\d+ B/);
  },
);

test('Ctrl-C keeps the tries, --resume goes on to the same payload, and the folder goes', async () => {
  const { child, outcome } = start(smallest('stopped.ndiff', '--workers', '1'));
  child.stderr?.on('data', (text) => String(text).includes('\n2 of at most') && child.kill('SIGINT'));
  child.stderr?.on('data', (text) => String(text).startsWith('2 of at most') && child.kill('SIGINT'));
  const { status, stderr } = await outcome;
  expect(status).toBe(130);
  expect(stderr).toMatch(
    /interrupted; kept in .*stopped\.ndiff\.search \(tries: \d\): --resume trains the rest/,
  );
  expect(existsSync(at('stopped.ndiff'))).toBe(false);
  const kept = rowsOf('stopped.ndiff.search').length;
  expect(kept).toBeLessThan(JSON.parse(first.stdout).tries.length);

  await expectRefusal(command(...smallest('stopped.ndiff', '--json')), 'output-exists', '--resume keeps');
  expect(rowsOf('stopped.ndiff.search').length).toBe(kept);
  const resumed = await command(...smallest('stopped.ndiff', '--resume', '--json'));
  expect(resumed.stderr.match(/\(kept\)/g)?.length).toBe(kept);
  expect(JSON.parse(resumed.stdout).tries).toEqual(JSON.parse(first.stdout).tries);
  expect(readFileSync(at('stopped.ndiff'))).toEqual(readFileSync(at('first.ndiff')));
  expect(existsSync(at('stopped.ndiff.search'))).toBe(false);
});

test('Ctrl-C before a try has ended leaves nothing', async () => {
  const endless = ['--recipe', recipe('endless'), '--epochs', '100000'];
  const { child, outcome } = start(smallest('early.ndiff', ...endless));
  child.stderr?.once('data', () => child.kill('SIGINT'));
  const { status, stderr } = await outcome;
  expect([status, stderr.includes('interrupted; nothing was written')]).toEqual([130, true]);
  expect(readdirSync(folder).filter((name) => name.startsWith('early'))).toEqual([]);
});

test('train auto takes the best kind within a budget, from kept tries where there are some', async () => {
  const work = ['--work', at('first.ndiff.search'), '--resume', '--keep-work'];
  const { status, stdout } = await command(
    ...['train', 'auto', ...shared, '--budget', '500', '-o', at('best.ndiff'), '--json', ...work],
  );
  const report = JSON.parse(stdout);
  const [hash, sparse] = report.tries;
  expect([status, report.tries.length]).toEqual([0, 2]);
  expect(report.kind).toBe(hash.gap < sparse.gap ? 'hash' : 'sparse');
  expect([hash.verdict, sparse.verdict].sort()).toEqual(['best', 'tried']);
  expect(readFileSync(at('best.ndiff')).length).toBe(report.payloadBytes);
});

test('a gap out of reach lists what was tried and keeps it', async () => {
  cpSync(at('first.ndiff.search'), at('far.ndiff.search'), { recursive: true });
  const far = ['--max-gap', '0', '--most', '250', '--resume'];
  const words = await command(...smallest('far.ndiff', ...far));
  expect(words.status).toBe(2);
  expect(words.stdout).toMatch(
    /verdict\n.*misses\n.*misses\non \d+ validation examples; behind: .* below 0 is better\n$/,
  );
  expect(words.stderr).toMatch(
    /neural-diff: Cannot come within 0 of the full fine-tune's loss: the nearest of 2 tries, \w+ with \d+ bytes, is 0\.\d+ behind \(gap-unreachable\)\ntries are kept/,
  );
  const json = JSON.parse((await command(...smallest('far.ndiff', ...far, '--json'))).stdout);
  expect(json.error).toMatchObject({ code: 'gap-unreachable', maxGap: 0, metric: 'loss' });
  expect(json.tries.length).toBe(2);
  expect([existsSync(at('far.ndiff')), existsSync(at('far.ndiff.search'))]).toEqual([false, true]);
});

test('--dry-run says what would be tried first, within what limits, and what it costs', async () => {
  const { status, stdout } = await command(...smallest('never.ndiff', '--dry-run'));
  expect(status).toBe(0);
  expect(stdout).toContain('search  a gap of at most 0.3 with 250 to 1200 bytes, to within a factor of 1.2');
  expect(stdout).toContain('costs   a full fine-tune and at most 12 diffs');
  expect(stdout).toContain('would first try  sparse  at most 250 bytes');
  const json = JSON.parse((await command(...smallest('never.ndiff', '--dry-run', '--json'))).stdout);
  expect(json).toMatchObject({ dryRun: true, kinds: ['hash', 'sparse'], work: at('never.ndiff.search') });
  expect(readdirSync(folder).filter((name) => name.startsWith('never'))).toEqual([]);
});

test.each([
  ['expected either --budget or --max-gap', ['--budget', '1%']],
  ['gap "much"', ['--max-gap', 'much']],
  ['0 workers', ['--workers', '0']],
  ['a number of tries of 0', ['--tries', '0']],
  ['metric "wer"', ['--metric', 'wer']],
  ['seed 1.5', ['--seed', '1.5']],
])('a search refuses flags that mean nothing: %s', async (message, flags) => {
  await expectRefusal(
    command(...smallest('refused.ndiff', '--json', '--dry-run', ...flags)),
    'usage',
    message,
  );
});

test.each([
  ['expected either --budget or --max-gap', []],
  ['--tries: expected it with --max-gap alone', ['--budget', '9%', '--tries', '3']],
  ['--keep-work: expected it with auto or --max-gap', ['--budget', '9%', '--keep-work']],
])('train refuses flags without their search: %s', async (message, flags) => {
  const args = ['--base', base, '--recipe', recipe('spirals'), '-o', at('refused.ndiff'), '--json'];
  await expectRefusal(command('train', 'hash', ...args, ...flags), 'usage', message);
});

test('a search refuses budgets, recipes, outputs and folders before it trains, and leaves them alone', async () => {
  const refused = (...more: string[]) => command(...smallest('refused.ndiff', '--json', ...more));
  await expectRefusal(refused('--most', '9'), 'budget-impossible', '9 bytes');
  await expectRefusal(refused('--recipe', recipe('no-loss')), 'recipe-invalid', '"loss"');
  await expectRefusal(refused('--recipe', recipe('throws')), 'recipe-failed', 'on fire');
  await expectRefusal(refused('--metric', 'wer:lower'), 'recipe-invalid', 'metric "wer"');
  await expectRefusal(command(...smallest('first.ndiff', '--json')), 'output-exists', 'first.ndiff');
  const other = ['--work', at('first.ndiff.search'), '--resume', '--epochs', '5'];
  await expectRefusal(refused(...other), 'output-exists', 'epochs');
  cpSync(at('first.ndiff.search'), at('sweep'), { recursive: true });
  const text = readFileSync(at('sweep', 'results.json'), 'utf8');
  writeFileSync(at('sweep', 'results.json'), text.replace('neural-diff search', 'neural-diff sweep'));
  await expectRefusal(refused('--work', at('sweep'), '--resume'), 'output-exists', 'results of a search');
  expect(readdirSync(folder).filter((name) => name.startsWith('refused'))).toEqual([]);
});
