import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { Report } from '../../src/report/document.js';
import { parseReport } from '../../src/report/schema.js';
import { command, expectRefusal, recipe, scratch, start, writeModel } from './command.js';

const folder = scratch();
const at = (name: string): string => join(folder, name);
const [base, full, large, small] = [at('base'), at('full'), at('large.ndiff'), at('small.ndiff')];
const training = ['--base', base, '--recipe', recipe('points'), '--seed', '3'];
const measuring = ['--base', base, '--next', full, '--recipe', recipe('tested'), '--payload', large];
const FILES = ['junit.xml', 'report.html', 'report.json', 'report.md'];

beforeAll(async () => {
  await writeModel(base);
  const made = [
    await command('fine-tune', ...training, '-o', full),
    await command('train', 'hash', ...training, '--budget', '18%', '-o', large),
    await command('train', 'hash', ...training, '--budget', '4.5%', '-o', small),
  ];
  expect(made.map(({ status }) => status)).toEqual([0, 0, 0]);
});

const write = (name: string, value: unknown): string => {
  writeFileSync(at(name), typeof value === 'string' ? value : JSON.stringify(value));
  return at(name);
};

const read = (out: string): Report => parseReport(readFileSync(join(out, 'report.json'), 'utf8'), out);

test('report measures payloads and writes a page, Markdown, JSON and JUnit', async () => {
  const out = at('whole');
  const gates = write('gates.json', { maxShare: 0.5, classes: { '*': { minAccuracy: 0 } } });
  const args = [...measuring, '--payload', small, '--gate', gates, '--apply-runs', '1', '--json', '-o', out];
  const { status, stdout, stderr } = await command('report', ...args);
  expect([status, readdirSync(out).sort()]).toEqual([0, FILES]);
  const report = read(out);
  expect(JSON.parse(stdout)).toEqual(JSON.parse(JSON.stringify(report)));
  expect(report.candidates.map(({ name, bytes }) => [name, bytes])).toEqual([
    ['large', readFileSync(large).length],
    ['small', readFileSync(small).length],
  ]);
  const labels = ['left', 'right', '<b>top</b>'];
  const runtime = expect.stringMatching(/^TensorFlow\.js \d/);
  expect(report.data).toEqual({ source: 'test', examples: 192, labels, runtime });
  expect(report.base.quality?.slices.map(({ name, examples }) => [name, examples])).toEqual([
    ['half: even', 96],
    ['half: odd', 96],
  ]);
  expect(report.candidates[0]?.apply?.runs).toBe(1);
  expect(report.advice).toMatchObject({ ship: 'small', isPassed: true });
  expect(stderr).toMatch(/\d+\/\d+ {2}predicting with "small"/);
  expect(stderr).toContain(`wrote report.html, report.md, report.json, junit.xml into ${out}`);
  const page = readFileSync(join(out, 'report.html'), 'utf8');
  expect(page).toContain('Ship small');
  expect(page).not.toContain('<b>top</b>');
  expect(readFileSync(join(out, 'junit.xml'), 'utf8')).toContain(
    'name="min-accuracy of class &#60;b&#62;top',
  );
});

test('report measures a payload that makes new files', async () => {
  const [out, files] = [at('of-files'), at('files.ndiff')];
  expect((await command('diff', base, full, '--files', '-o', files)).status).toBe(0);
  const args = ['--base', base, '--recipe', recipe('tested'), '--payload', files, '--apply-runs', '1'];
  const { status } = await command('report', ...args, '-o', out);
  expect(status).toBe(0);
  const [candidate] = read(out).candidates;
  expect(candidate).toMatchObject({ kinds: ['delta', 'files'], apply: { runs: 1 } });
  expect(candidate?.bytes).toBe(readFileSync(files).length);
  expect(readFileSync(join(out, 'report.html'), 'utf8')).toContain('structure of files');
});

test('report ends with status 10 when no payload meets the gates, and writes it all the same', async () => {
  const out = at('failed');
  const gates = write('strict.json', { maxBytes: 10 });
  const { status, stdout } = await command(
    'report',
    ...measuring,
    '--gate',
    gates,
    '--apply-runs',
    '0',
    '-o',
    out,
  );
  expect(status).toBe(10);
  expect(stdout).toMatch(/\nFAILED {2}Ship the full model .*: the payload does not meet the gates\n/);
  expect(stdout).toMatch(/payload: [\d,]+ bytes, expected at most 10 bytes/);
  expect(readFileSync(join(out, 'junit.xml'), 'utf8')).toContain('failures="1"');
  expect(readFileSync(join(out, 'report.md'), 'utf8')).toContain('**Failed.**');
});

test('report compares with an earlier report, plans a fleet, and shows a bench', async () => {
  const earlier = at('earlier');
  const quick = ['--base', base, '--payload', large, '--apply-runs', '0'];
  expect((await command('report', ...quick, '-o', earlier)).status).toBe(0);
  const fleet = write('fleet.csv', `version,devices\n${base},700\n${full},3\n`);
  const key = ['--key', at('k.key.json')];
  await command('keys', 'generate', '-o', at('k'));
  const release = ['--payload', small, '--base', base, '--counter', '1'];
  expect((await command('publish', at('updates'), '--init', ...release, ...key)).status).toBe(0);
  const row = { task: 'points', seeds: 1, share: 0.1, deviation: 0, gap: 0, mean: 0.9 };
  const rows = ['base', 'full fine-tune', 'hash'].map((method) => ({ ...row, method, bytes: 900 }));
  const bench = write('bench.json', { schema: 1, bench: 'accuracy', rows });
  const out = at('later');
  const more = ['--against', join(earlier, 'report.json'), '--fleet', fleet, '--updates', at('updates')];
  const { status } = await command(
    'report',
    ...quick,
    ...more,
    '--bench',
    bench,
    '--title',
    'Later',
    '-o',
    out,
  );
  const report = read(out);
  expect([status, report.title, report.trend?.title]).toEqual([0, 'Later', `Update of ${base}`]);
  expect(report.trend?.rows.map(({ measure }) => measure)).toEqual(['bytes']);
  expect(report.fleet?.versions.map(({ devices, best }) => [devices, best])).toEqual([
    [700, 'direct'],
    [3, 'full'],
  ]);
  const newest = ['timestamp.json', '2.snapshot.json', '2.targets.json'];
  const sizes = newest.map((name) => readFileSync(join(at('updates'), 'metadata', name)).length);
  expect(report.fleet?.metadataBytes).toBe(sizes.reduce((sum, bytes) => sum + bytes, 0));
  expect(report.frontier?.points).toHaveLength(1);
  const alone = at('alone');
  const ofBench = await command('report', '--bench', bench, '-o', alone);
  expect([ofBench.status, ofBench.stdout]).toEqual([0, expect.stringMatching(/^passed {2}Ship a hash diff/)]);
  expect(readFileSync(join(alone, 'report.html'), 'utf8')).toContain('Size against accuracy');
});

test('report replaces an earlier one with --force alone, and leaves other files alone', async () => {
  const out = at('kept');
  mkdirSync(out);
  writeFileSync(join(out, 'report.md'), 'mine');
  writeFileSync(join(out, 'notes.txt'), 'mine too');
  const args = ['--base', base, '--payload', large, '--apply-runs', '0', '-o', out];
  await expectRefusal(command('report', ...args, '--json'), 'output-exists', 'it has a report.md already');
  expect(readFileSync(join(out, 'report.md'), 'utf8')).toBe('mine');
  expect((await command('report', ...args, '--force')).status).toBe(0);
  expect(readdirSync(out).sort()).toEqual([...FILES.slice(0, 1), 'notes.txt', ...FILES.slice(1)].sort());
});

test('report --dry-run says what would be measured and writes nothing', async () => {
  const out = at('never');
  const { status, stdout } = await command('report', ...measuring, '-o', out, '--dry-run');
  expect([status, existsSync(out)]).toEqual([0, false]);
  expect(stdout).toContain(
    `would measure accuracy by ${recipe('tested')}, sizes and times of ${large} on ${base}`,
  );
});

test.each([
  ['nothing to report on', [], 'Expected --base and --payload, or --bench'],
  ['a base without payloads', ['--base', 'x'], 'Expected --base and --payload together'],
  ['gates for a bench', ['--bench', 'x', '--gate', 'y'], 'Expected --gate with --base and --payload alone'],
  [
    'a task without a bench',
    ['--base', 'x', '--payload', 'y', '--task', 'z'],
    'Expected --task with --bench',
  ],
  [
    'half a byte',
    ['--base', 'x', '--payload', 'y', '--fleet', 'z', '--full-bytes', '0.5'],
    'Expected --full-bytes to be a whole number',
  ],
  ['grids without a recipe', ['--base', 'x', '--payload', 'y', '--precision'], 'with --recipe alone'],
  [
    'a farm without a recipe',
    ['--base', 'x', '--payload', 'y', '--queue', 'redis://z', '--store', 's'],
    'Expected --queue with --recipe alone',
  ],
  ['a queue without a store', ['--base', 'x', '--payload', 'y', '--queue', 'redis://z'], 'Expected --store'],
  ['updates without a fleet', ['--base', 'x', '--payload', 'y', '--updates', 'z'], 'with --fleet alone'],
])('report refuses %s', async (_, args, message) => {
  await expectRefusal(command('report', ...args, '-o', at('none'), '--json'), 'usage', message);
});

test('report refuses documents that are none before it measures', async () => {
  const broken = write('broken.json', '{"maxGap": "1%"}');
  const refuse = (flag: string) => command('report', ...measuring, flag, broken, '-o', at('none'), '--json');
  for (const flag of ['--gate', '--against', '--bench', '--fleet'])
    await expectRefusal(refuse(flag), 'bad-document', 'broken.json');
  const missing = command('report', ...measuring, '--gate', at('nowhere.json'), '-o', at('none'), '--json');
  await expectRefusal(missing, 'file-not-found', 'nowhere.json');
  expect(existsSync(at('none'))).toBe(false);
});

test('report refuses a fleet whose versions cannot be told apart before it measures', async () => {
  const { stdout } = await command('fingerprint', base);
  const twice = write('twice.csv', `version,devices\n${base},7\n${stdout.trim()},3\n`);
  const { status, stderr } = await command('report', ...measuring, '--fleet', twice, '-o', at('none'));
  expect([status, stderr]).toEqual([2, expect.stringContaining('two of its versions are model')]);
  expect(stderr).not.toContain('reading the models');
});

test('compare prints no controls of file names, and says why a payload is not to be shipped', async () => {
  const hostile = at('red\u001b[31m.ndiff');
  copyFileSync(large, hostile);
  const recipeOf = write('odd.mjs', '');
  writeFileSync(
    recipeOf,
    `import { data as tested } from ${JSON.stringify(recipe('tested'))};
     export { loss } from ${JSON.stringify(recipe('tested'))};
     export function data(context) {
       const { train, test: { xs, ys } } = tested(context);
       return { train, test: { xs: xs.div(0), ys } };
     }`,
  );
  const { stdout, stderr } = await command('compare', base, hostile, '--recipe', recipeOf);
  expect(stdout + stderr).not.toContain('\u001b');
  expect(stderr).toContain('predicting with "red\\u{1b}[31m"');
  expect(stdout).toContain('it gives outputs that are not numbers');
});

test('report --precision finds grids for the base, and shows them everywhere', async () => {
  const out = at('grids');
  const args = ['--base', full, '--recipe', recipe('tested'), '--payload', same(), '--apply-runs', '0'];
  expect((await command('diff', full, full, '-o', same())).status).toBe(0);
  const { status, stdout, stderr } = await command(
    'report',
    ...args,
    '--precision',
    '2%',
    '--progress',
    'json',
    '-o',
    out,
  );
  expect([status, stderr]).toEqual([
    0,
    expect.stringMatching(/choosing grids: rounding hidden\/kernel to int8/),
  ]);
  const { precision } = read(out);
  expect(precision).toMatchObject({ maxGap: 0.02, chosenBy: { source: 'validation', examples: 96 } });
  const mixed = precision!.totals.find(({ way }) => way === 'mixed')!;
  expect([mixed.isMet, mixed.measured!.gap.value <= 0.02]).toEqual([true, true]);
  expect(mixed.test).toBeDefined();
  expect(stdout).toMatch(/ kept {2}mixed, by measurement\n/);
  expect(stdout).toMatch(/ {2}hidden\/kernel {2}int8/);
  for (const file of ['report.html', 'report.md'])
    expect(readFileSync(join(out, file), 'utf8')).toContain('mixed, by measurement');
  const again = await command('report', ...args, '--precision', '2%', '--json', '-o', at('grids-again'));
  expect(JSON.parse(again.stdout).precision).toEqual(precision);
});

const same = (): string => at('same.ndiff');

test('Ctrl-C ends the choice of grids and leaves nothing', async () => {
  const out = at('stopped');
  const args = ['--recipe', recipe('tested'), '--payload', large, '--base', base, '--apply-runs', '0'];
  const { child, outcome } = start(['report', ...args, '--precision', '--progress', 'json', '-o', out]);
  child.stderr?.on('data', (chunk) => {
    if (String(chunk).includes('choosing grids')) child.kill('SIGINT');
  });
  expect((await outcome).status).toBe(130);
  expect(existsSync(out)).toBe(false);
});

test('Ctrl-C ends a report and leaves nothing', async () => {
  const out = at('interrupted');
  const { child, outcome } = start(['report', ...measuring, '-o', out]);
  child.stderr?.once('data', () => child.kill('SIGINT'));
  expect((await outcome).status).toBe(130);
  expect(existsSync(out)).toBe(false);
});

test('compare prints payloads next to base and full fine-tune', async () => {
  const { status, stdout } = await command(
    'compare',
    base,
    large,
    small,
    '--next',
    full,
    '--recipe',
    recipe('tested'),
  );
  expect(status).toBe(0);
  const [head, ...rows] = stdout.split('\n');
  expect(head?.trim().split(/ {2,}/)).toEqual([
    ...['bytes', 'share', 'accuracy', '95 % interval', 'points behind', 'newly wrong'],
  ]);
  expect(rows.slice(0, 4).map((line) => line.split(/ {2,}/).at(-1))).toEqual([
    'base',
    'full fine-tune',
    'large',
    'small',
  ]);
  expect(stdout).toMatch(
    /\nmeasured on 192 test examples\npoints behind .*: below 0 is better\nnewly wrong: /,
  );
  expect(stdout).toMatch(/\nShip (large|small|the full model)/);
  const sizes = await command('compare', base, large);
  expect(sizes.stdout).toMatch(/^ *bytes +share\n/);
  const json = JSON.parse((await command('compare', base, large, '--json')).stdout);
  expect(json.candidates[0]).not.toHaveProperty('apply');
  expect(json.ways.map(({ name }: { name: string }) => name)).not.toContain('bsdiff');
});
