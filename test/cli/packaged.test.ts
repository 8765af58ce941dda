import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { recipe, writeModel } from './command.js';

const ROOT = join(import.meta.dirname, '..', '..');
const home = mkdtempSync(join(tmpdir(), 'neural-diff-packaged-'));
const installed = join(home, 'node_modules', 'neural-diff');

/** Installs what `npm pack` publishes next to this project's packages but TensorFlow.js and clients of S3. */
beforeAll(async () => {
  mkdirSync(installed, { recursive: true });
  const pack = ['pack', '--json', '--ignore-scripts', '--pack-destination', home];
  const listing = JSON.parse(
    execFileSync('npm', pack, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
  );
  const [{ filename }] = Object.values<{ filename: string }>(listing) as [{ filename: string }];
  execFileSync('tar', ['-xzf', join(home, filename), '-C', installed, '--strip-components=1']);
  for (const name of readdirSync(join(ROOT, 'node_modules'))) {
    if (/^(\.|@tensorflow|@aws-sdk|neural-diff)/.test(name)) continue;
    symlinkSync(join(ROOT, 'node_modules', name), join(home, 'node_modules', name));
  }
  await writeModel(join(home, 'base'));
});

const run = (...args: string[]) =>
  spawnSync(process.execPath, [join(installed, 'dist', 'cli', 'main.js'), ...args], {
    cwd: home,
    encoding: 'utf8',
  });

test('the published package runs its commands without TensorFlow.js', () => {
  expect(run('--version').stdout.trim()).toMatch(/^\d+\.\d+\.\d+$/);
  expect(run('fingerprint', 'base').stdout).toMatch(/^[0-9a-f]{32}\n$/);
});

test('train says which packages are missing', () => {
  const args = [
    '--base',
    'base',
    '--recipe',
    recipe('points'),
    '--budget',
    '18%',
    '-o',
    'out.ndiff',
    '--json',
  ];
  const { status, stdout } = run('train', 'hash', ...args);
  expect([status, JSON.parse(stdout).error.code]).toEqual([2, 'missing-package']);
});

test('a store on S3 needs a client', () => {
  const where = ['--queue', 'redis://127.0.0.1:1', '--store', 's3://bucket', '--allow-recipe', 'ab'];
  const { status, stdout } = run('farm', 'worker', ...where, '--json');
  expect([status, JSON.parse(stdout).error.code]).toEqual([2, 'missing-package']);
  expect(JSON.parse(stdout).error.message).toContain('npm install @aws-sdk/client-s3@3');
});

test('init says so too, before it writes anything', () => {
  const { status, stdout } = run('init', 'project', '--json');
  expect([status, JSON.parse(stdout).error.code]).toEqual([2, 'missing-package']);
  expect(readdirSync(home)).not.toContain('project');
});

test('the device kit and the stores import under their published names', () => {
  writeFileSync(
    join(home, 'device.mjs'),
    `import { applyPayload } from 'neural-diff/apply';
     import { openModel } from 'neural-diff/node';
     import { decodePayload } from 'neural-diff';
     import { createUpdater } from 'neural-diff/updater';
     import { publishRelease } from 'neural-diff/publish';
     console.log([applyPayload, openModel, decodePayload, createUpdater, publishRelease].map((value) => typeof value).join());`,
  );
  const { stdout, stderr } = spawnSync(process.execPath, ['device.mjs'], { cwd: home, encoding: 'utf8' });
  expect([stdout, stderr]).toEqual(['function,function,function,function,function\n', '']);
});
