import { execFile } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { command, recipe, scratch, writeModel } from '../../cli/command.js';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const EXAMPLE = join(ROOT, 'examples', 'github-actions');
const folder = scratch();
const at = (...names: string[]): string => join(folder, ...names);

beforeAll(async () => {
  await writeModel(at('models', 'v1'));
  mkdirSync(at('updates'));
  const training = ['--base', at('models', 'v1'), '--recipe', recipe('points'), '--seed', '3'];
  const made = [
    await command('fine-tune', ...training, '-o', at('models', 'v2-full')),
    await command('train', 'hash', ...training, '--budget', '18%', '-o', at('updates', 'hash.ndiff')),
  ];
  expect(made.map(({ status }) => status)).toEqual([0, 0]);
  writeFileSync(at('recipe.mjs'), `export * from ${JSON.stringify(recipe('tested'))};\n`);
  mkdirSync(at('bin'));
  writeFileSync(
    at('bin', 'npx'),
    `#!/bin/sh\nshift\nexec node ${join(ROOT, 'dist', 'cli', 'main.js')} "$@"\n`,
  );
  chmodSync(at('bin', 'npx'), 0o755);
});

/** Runs a step of the workflow as the runner does. */
function runStep(name: string, summary = at('summary.md')): Promise<{ status: number; output: string }> {
  const workflow = readFileSync(join(EXAMPLE, 'model-update.yml'), 'utf8');
  const step = workflow.split(/^ {6}- /m).find((each) => each.startsWith(`name: ${name}`)) as string;
  const [, block, line] = /run: (?:\|\n([\s\S]*)|(.+))/.exec(step) as RegExpExecArray;
  const script = block?.replaceAll(/^ {10}/gm, '') ?? (line as string);
  const env = { ...process.env, PATH: `${at('bin')}:${process.env.PATH}`, GITHUB_STEP_SUMMARY: summary };
  return new Promise((resolve) =>
    execFile('bash', ['-eo', 'pipefail', '-c', script], { cwd: folder, env }, (error, stdout, stderr) =>
      resolve({ status: error === null ? 0 : Number(error.code), output: stdout + stderr }),
    ),
  );
}

const MEASURE = 'Measure the payloads and judge them';

test('the workflow fails where no payload meets the gates, and shows the report', async () => {
  copyFileSync(join(EXAMPLE, 'gates.json'), at('gates.json'));
  const { status, output } = await runStep(MEASURE);
  expect([status, output]).toEqual([10, expect.stringContaining('FAILED')]);
  expect((await runStep('Show the report')).status).toBe(0);
  expect(readFileSync(at('summary.md'), 'utf8')).toContain('**Failed.**');
});

test('the workflow passes with gates that hold, and compares with the report of the main branch', async () => {
  writeFileSync(at('gates.json'), '{"maxShare": 0.5}');
  mkdirSync(at('previous'));
  copyFileSync(at('report', 'report.json'), at('previous', 'report.json'));
  const { status, output } = await runStep(MEASURE);
  expect([status, output]).toEqual([2, expect.stringContaining('output-exists')]);
  rmSync(at('report'), { recursive: true });
  expect((await runStep(MEASURE)).status).toBe(0);
  expect(JSON.parse(readFileSync(at('report', 'report.json'), 'utf8')).trend.rows.length).toBeGreaterThan(2);
});
