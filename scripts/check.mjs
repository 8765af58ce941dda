// Everything that must hold before a commit, in order of speed. Stops at the first failure.
import { spawnSync } from 'node:child_process';

const steps = [
  ['types', 'npx', ['tsc', '-p', 'tsconfig.test.json']],
  ['browser types', 'npx', ['tsc', '-p', 'tsconfig.browser.json']],
  ['lint and format', 'npx', ['biome', 'check', '--error-on-warnings', '.']],
  ['build', 'npm', ['run', '-s', 'build']],
  ['tidy', 'npx', ['vitest', 'run', '--project', 'tidy']],
  ['docs fences and examples', 'node', ['dist/scripts/fences.js']],
  ['their types', 'npx', ['tsc', '-p', '.cache/fences/tsconfig.json']],
  ['assembly', 'node', ['dist/scripts/assembly.js', '--check']],
  ['report schema', 'node', ['dist/scripts/schema.js', '--check']],
  ['golden files', 'node', ['dist/scripts/golden.js', '--check']],
  ['command line document', 'node', ['dist/scripts/cli-docs.js', '--check']],
  ['chart', 'node', ['dist/scripts/chart.js', '--check']],
  ['bundle budget', 'node', ['dist/bench/device-size.js']],
];

for (const [name, command, args] of steps) {
  const started = performance.now();
  const { status } = spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stderr.write(`${status === 0 ? 'ok  ' : 'FAIL'} ${name} (${seconds} s)\n`);
  if (status !== 0) process.exit(1);
}
