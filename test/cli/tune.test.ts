import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, expect, test } from 'vitest';
import { command, expectRefusal, recipe, scratch, start, writeModel } from './command.js';

const folder = scratch();
const at = (...names: string[]): string => join(folder, ...names);

const tuneArgs = (out: string, ...more: string[]): string[] => [
  ...['tune', 'payload', '--base', at('base'), '--recipe', recipe('points'), '--seed', '3'],
  ...['--knowledge', at(`${out}.json`), '-o', at(`${out}.ndiff`), ...more],
];
const tune = (out: string, ...more: string[]) => command(...tuneArgs(out, ...more));
const json = (text: string) => JSON.parse(text);
const bytesOf = (name: string): Buffer => readFileSync(at(name));

/** @returns the plan that a search went through */
const planOf = (stdout: string): [object, number][] =>
  json(stdout).trials.map((each: { configuration: object; fidelity: number }) => [
    each.configuration,
    each.fidelity,
  ]);

/** The plan of the first search. */
let plan: [object, number][] = [];

beforeAll(() => writeModel(at('base')));

test('tune payload begins with what train makes, and answers with the best of all trials', async () => {
  const { status, stdout } = await tune(
    'first',
    '--max-bytes',
    '7%',
    '--trials',
    '5',
    '--keep-work',
    '--json',
  );
  expect(status).toBe(0);
  plan = planOf(stdout);
  const { trials, configuration, payloadBytes, budgetBytes, metrics } = json(stdout);
  expect(trials.map(({ fidelity }: { fidelity: number }) => fidelity)).toEqual([
    ...[1, 1, 0.25, 0.25, 0.25, 0.25, 1, 1],
  ]);
  expect(trials.filter(({ verdict }: { verdict: string }) => verdict === 'best')).toHaveLength(1);
  expect(payloadBytes).toBeLessThanOrEqual(budgetBytes);
  expect(bytesOf('first.ndiff')).toHaveLength(payloadBytes);
  const whole = trials.filter(({ fidelity }: { fidelity: number }) => fidelity === 1);
  const best = Math.min(...whole.map(({ measured }: { measured: { gap: number } }) => measured.gap));
  expect(metrics.full.accuracy - metrics.diff.accuracy).toBeCloseTo(best, 6);
  expect(configuration).toEqual(
    trials.find(({ verdict }: { verdict: string }) => verdict === 'best').configuration,
  );

  const trained = ['train', 'hash', '--base', at('base'), '--recipe', recipe('points'), '--seed', '3'];
  expect((await command(...trained, '--budget', '7%', '-o', at('hash.ndiff'))).status).toBe(0);
  const kept = readdirSync(at('first.ndiff.tune')).map((name) => bytesOf(join('first.ndiff.tune', name)));
  expect(kept.some((bytes) => bytes.equals(bytesOf('hash.ndiff')))).toBe(true);
});

test('the result does not depend on the number of workers, nor on an interruption', async () => {
  const { child, outcome } = start(tuneArgs('cut', '--max-bytes', '7%', '--trials', '5', '--workers', '1'));
  const hasTwo = () =>
    existsSync(at('cut.ndiff.tune')) &&
    readdirSync(at('cut.ndiff.tune')).filter((name) => /ndiff$/.test(name)).length > 2;
  while (!hasTwo() && child.exitCode === null) await sleep(20);
  child.kill('SIGKILL');
  await outcome;
  expect(existsSync(at('cut.ndiff'))).toBe(false);
  // Another search has learnt something meanwhile: this one goes on with what it knew.
  const learnt = json(readFileSync(at('first.json'), 'utf8'));
  learnt.tasks[0].task = 'another';
  writeFileSync(at('cut.json'), JSON.stringify(learnt));
  const refused = tune('cut', '--max-bytes', '7%', '--trials', '5', '--json');
  await expectRefusal(refused, 'output-exists', '--resume');
  const rest = await tune(
    'cut',
    '--max-bytes',
    '7%',
    '--trials',
    '5',
    '--workers',
    '2',
    '--resume',
    '--json',
  );
  expect(rest.status).toBe(0);
  expect(planOf(rest.stdout)).toEqual(plan);
  expect(bytesOf('cut.ndiff').equals(bytesOf('first.ndiff'))).toBe(true);
  expect(existsSync(at('cut.ndiff.tune'))).toBe(false);
});

test('what one search has learnt, the next one of another model reads', async () => {
  await writeModel(at('next'), 2);
  const known = at('first.json');
  expect(json(readFileSync(known, 'utf8')).tasks[0].trials).toHaveLength(8);
  const args = ['tune', 'payload', '--base', at('next'), '--recipe', recipe('points'), '--max-bytes', '7%'];
  const plan = await command(...args, '--knowledge', known, '--dry-run', '-o', at('next.ndiff'));
  expect(plan.stdout).toContain('knows    1 other task\n');
  const { status } = await command(...args, '--knowledge', known, '--trials', '3', '-o', at('next.ndiff'));
  expect(status).toBe(0);
  expect(json(readFileSync(known, 'utf8')).tasks).toHaveLength(2);
  writeFileSync(at('broken.json'), '{"format":"neural-diff knowledge"}');
  await expectRefusal(tune('broken', '--json'), 'bad-document', 'version');
});

test('with --max-gap the smallest payload wins; rules hold for every trial', async () => {
  const { status, stdout } = await tune(
    ...['small', '--max-gap', '20%', '--max-bytes', '9%', '--trials', '6', '--rule', 'kind=sparse'],
    ...['--rule', 'bits!=2', '--json'],
  );
  expect(status).toBe(0);
  const { trials, payloadBytes } = json(stdout);
  expect(
    trials.every(({ configuration }: { configuration: { kind: string } }) => configuration.kind === 'sparse'),
  ).toBe(true);
  const within = trials.filter(
    ({ fidelity, verdict }: { fidelity: number; verdict: string }) => fidelity === 1 && verdict !== 'beyond',
  );
  expect(payloadBytes).toBe(
    Math.min(...within.map(({ measured }: { measured: { bytes: number } }) => measured.bytes)),
  );
});

test('limits that no trial meets are an error with the nearest trial, and the trials are kept', async () => {
  const { status, stdout } = await tune('never', '--max-apply-ms', '0.001', '--trials', '2', '--json');
  const { error } = json(stdout);
  expect([status, error.code]).toEqual([2, 'gap-unreachable']);
  expect(error.message).toContain('applied in');
  expect(existsSync(at('never.ndiff.tune'))).toBe(true);
  expect(existsSync(at('never.ndiff'))).toBe(false);
});

test.each([
  [['--trials', '0'], /1 to 10,000/],
  [['--rule', 'knd=hash'], /"kind"|kind/],
  [['--max-gap', 'some'], /gap/],
  [['--metric', 'wer'], /higher/],
])('tune payload refuses %s before it trains', async (flags, words) => {
  const { status, stderr } = await tune('refused', ...flags);
  expect(status).toBe(2);
  expect(stderr).toMatch(words);
  expect(existsSync(at('refused.ndiff.tune'))).toBe(false);
});

test('tune precision writes grids that keep the contract', async () => {
  const args = ['tune', 'precision', '--base', at('base'), '--recipe', recipe('points'), '--max-gap', '1%'];
  const { status, stdout } = await command(...args, '-o', at('grids.json'), '--json');
  expect(status).toBe(0);
  const { out, ...found } = json(stdout);
  expect(out).toBe(at('grids.json'));
  expect(json(readFileSync(at('grids.json'), 'utf8'))).toEqual(found);
  const mixed = found.totals.find(({ way }: { way: string }) => way === 'mixed');
  expect(mixed.isMet).toBe(true);
  const unfit = await command(...args, '-o', at('grids-2.json'), '--max-bytes', '1%');
  expect([unfit.status, unfit.stderr]).toEqual([2, expect.stringContaining('--max-bytes')]);
});
