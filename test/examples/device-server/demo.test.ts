import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const DEMO = join(import.meta.dirname, '..', '..', '..', 'dist', 'examples', 'device-server', 'demo.js');

test('the demo releases an update, and a device takes it and keeps it', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [DEMO]);
  const lines = stdout.split('\n').map((line) => line.slice(11));
  const steps = ['planned', 'downloaded', 'downloaded', 'self-test', 'updated', 'confirmed'];
  const first = lines.findIndex((line) => line.startsWith('planned'));
  expect(lines.slice(first, first + 6).map((line) => line.split(':')[0])).toEqual(steps);
  expect(stdout).toMatch(/^again {6}current$/m);
  expect(stdout).toMatch(/^bit exact {2}yes$/m);
});
