import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { withdrawReleases } from '../../src/publish/publish-release.js';
import { openRepository, writePublication } from '../../src/publish/repository.js';
import { Fleet } from '../updater/fleet.js';
import { command, scratch } from './command.js';

test('plan takes the live releases of a repository, and whole models', async () => {
  const fleet = await Fleet.startNow(4);
  for (const index of [1, 2, 3]) await fleet.release(index);
  await fleet.releaseWhole(3);
  const { publisher } = fleet;
  const folder = scratch();
  const write = (): void => {
    for (const [path, bytes] of publisher.files.files) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), bytes);
    }
  };
  const plan = async (from: number, to: number) => {
    const [base, next] = [fleet.version(from).name, fleet.version(to).name];
    const { status, stdout } = await command('plan', folder, '--from', base, '--to', next, '--json');
    return { status, ...JSON.parse(stdout) };
  };
  write();
  expect((await plan(0, 3)).best).toMatchObject({
    kind: 'chain',
    files: ['v1.ndiff', 'v2.ndiff', 'v3.ndiff'],
  });
  expect((await plan(0, 3)).routes.map(({ kind }: { kind: string }) => kind)).toEqual(['chain', 'full']);

  const options = { ...publisher.options(), reason: 'wrong labels' };
  const withdrawn = await withdrawReleases(await openRepository(publisher.files), ['v2.ndiff'], options);
  await writePublication(publisher.files, withdrawn);
  write();
  expect((await plan(0, 3)).best.kind).toBe('full');
  const { status, error } = await plan(0, 2);
  expect([status, error.code]).toEqual([3, 'no-route']);
});
