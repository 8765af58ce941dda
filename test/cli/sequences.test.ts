import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { command, recipe, scratch, start, writeModel } from './command.js';

const folder = scratch();
const at = (...names: string[]): string => join(folder, ...names);
const base = at('base');
const updates = at('updates');
const [V2, V3] = [join(updates, 'v2.ndiff'), join(updates, 'v3.ndiff')];
const training = ['--base', base, '--recipe', recipe('points'), '--budget', '18%', '--epochs', '2'];
const identities: string[] = [];

const json = async (...args: string[]) => {
  const { status, stdout } = await command(...args, '--json');
  return { status, ...JSON.parse(stdout) };
};
const fingerprintOf = async (path: string): Promise<string> => (await json('fingerprint', path)).fingerprint;

/** Runs a command that must be refused by code and exit status, with nothing written. */
async function expectRefusal(args: readonly string[], code: string, status: number): Promise<void> {
  const outcome = await json(...args);
  expect([outcome.error.code, outcome.status]).toEqual([code, status]);
  expect(existsSync(at('out'))).toBe(false);
}

let trained: { base: string; next: string; seed: number; status: number };

beforeAll(async () => {
  await writeModel(base);
  mkdirSync(updates);
  await command('train', 'hash', ...training, '-o', V2);
  trained = await json('train', 'sparse', ...training, '--chain', V2, '-o', V3);
  await command('apply', base, V2, '-o', at('v2'));
  await command('apply', at('v2'), V3, '-o', at('v3'));
  for (const version of ['base', 'v2', 'v3']) identities.push(await fingerprintOf(at(version)));
});

test('train --chain trains for what the payloads make of the base, with a seed of its own', async () => {
  const [v1, v2, v3] = identities;
  expect(trained).toMatchObject({ status: 0, base: v2, next: v3 });
  expect(trained.seed).toBe(Number.parseInt(v2?.slice(0, 8) as string, 16));
  const { ops } = await json('info', V2, '--base', base);
  expect(ops[0].seed).toBe(Number.parseInt(v1?.slice(0, 8) as string, 16));
});

test('train --chain gives the payload of a base that is on disk', async () => {
  const out = at('on-disk.ndiff');
  const { status } = await command('train', 'sparse', ...training, '--base', at('v2'), '-o', out);
  expect(status).toBe(0);
  expect(readFileSync(out)).toEqual(readFileSync(V3));
});

test('sweep takes a chain too', async () => {
  const grid = ['--kinds', 'sparse', '--budgets', '18%', '--epochs', '2', '--workers', '1'];
  const shared = ['--base', base, '--recipe', recipe('points'), '--chain', V2];
  const { status, rows, settings } = await json('sweep', ...shared, ...grid, '-o', at('swept'));
  expect([status, settings.base, rows[0].seed]).toEqual([0, identities[1], trained.seed]);
  expect(readFileSync(at('swept', rows[0].file))).toEqual(readFileSync(V3));
});

test('train --chain refuses payloads out of order, and leaves nothing', async () => {
  const chain = (...files: string[]) => [
    'train',
    'hash',
    ...training,
    '-o',
    at('out'),
    '--chain',
    files.join(','),
  ];
  await expectRefusal(chain(V3), 'wrong-base', 3);
  await expectRefusal(chain(V2, V2), 'broken-chain', 3);
  await expectRefusal(chain(V2, at('nowhere')), 'file-not-found', 2);
  await expectRefusal([...chain(V2), '--dry-run', '--chain', `${V2},`], 'usage', 2);
  expect(await fingerprintOf(base)).toBe(identities[0]);
});

test('train --chain --dry-run names the base that the chain gives, as a list or flag by flag', async () => {
  for (const chain of [[`${V2},${V3}`], [V2, '--chain', V3]]) {
    const plan = await json('train', 'hash', ...training, '-o', at('out'), '--chain', ...chain, '--dry-run');
    expect(plan).toMatchObject({ status: 0, dryRun: true, base: identities[2] });
  }
});

test('Ctrl-C stops train --chain and leaves nothing', async () => {
  const args = ['train', 'hash', ...training, '--recipe', recipe('endless'), '--chain', V2, '-o', at('out')];
  const { child, outcome } = start(args);
  child.stderr?.once('data', () => child.kill('SIGINT'));
  expect((await outcome).status).toBe(130);
  expect(existsSync(at('out'))).toBe(false);
});

test('compose makes one payload of two, and says what it saves', async () => {
  const out = at('v1-v3.ndiff');
  const composed = await json('compose', V2, V3, '--base', base, '-o', out);
  const sizes = [V2, V3].map((path) => readFileSync(path).length);
  expect(composed).toMatchObject({ status: 0, base: identities[0], next: identities[2], partBytes: sizes });
  expect(composed.payloadBytes).toBe(readFileSync(out).length);
  expect(composed.payloadBytes).toBeLessThan((sizes[0] as number) + (sizes[1] as number) - 40);
  await command('apply', base, out, '-o', at('at-once'));
  expect(await fingerprintOf(at('at-once'))).toBe(identities[2]);
  const { stdout } = await command('compose', V2, V3, '--base', base, '-o', out, '--force');
  expect(stdout).toMatch(
    /^parts {5}2 payloads, \d+ bytes\ncomposed {2}\d+ bytes, \d+ less; .* of the float32 model\n/,
  );
});

test('compose refuses broken chains, other bases and outputs that exist; --dry-run writes nothing', async () => {
  const out = ['-o', at('out')];
  await expectRefusal(['compose', V3, V2, '--base', base, ...out], 'broken-chain', 3);
  await expectRefusal(['compose', V2, V3, '--base', at('v2'), ...out], 'wrong-base', 3);
  await expectRefusal(['compose', V2, V3, '--base', at('v3'), ...out], 'wrong-base', 3);
  await expectRefusal(['compose', V2, V3, '--base', base, '-o', V2], 'output-exists', 2);
  await expectRefusal(['compose', V2, join(base, 'model.json'), '--base', base, ...out], 'not-a-payload', 6);
  const { status, dryRun } = await json('compose', V2, V3, '--base', base, ...out, '--dry-run');
  expect([status, dryRun, existsSync(at('out'))]).toEqual([0, true, false]);
});

test('plan weighs the ways and says why one wins', async () => {
  const [v1, , v3] = identities as [string, string, string];
  const plan = await json('plan', updates, '--from', base, '--to', v3.slice(0, 8), '--model', base);
  expect(plan).toMatchObject({ status: 0, from: v1, to: v3, skipped: [] });
  expect(plan.best).toMatchObject({
    kind: 'composed',
    steps: 1,
    isEstimate: true,
    files: ['v2.ndiff', 'v3.ndiff'],
  });
  expect(plan.routes.map(({ kind }: { kind: string }) => kind)).toEqual(['composed', 'chain', 'full']);
  const composed = await json('compose', V2, V3, '--base', base, '-o', at('out'), '--dry-run');
  expect(Math.abs(plan.best.bytes - composed.payloadBytes)).toBeLessThan(20);
  const { stdout } = await command(
    'plan',
    updates,
    '--from',
    v1,
    '--to',
    v3,
    '--no-compose',
    '--full-bytes',
    '60000',
  );
  expect(stdout).toMatch(
    /^route {2}bytes {2}steps {2}files\nchain {2} *\d+ {6}2 {2}v2\.ndiff, v3\.ndiff\n full {2}60000/m,
  );
  expect(stdout).toMatch(/^take the payloads one after the other: \d+ bytes less than the next best, full$/m);
});

test('plan prefers a direct payload when it is smaller, and passes over what it cannot read', async () => {
  cpSync(updates, at('more'), { recursive: true });
  const direct = at('more', 'v1-v3.ndiff');
  const toV3 = ['train', 'hash', ...training, '--budget', '7%', '-o', direct];
  const { next } = await json(...toV3);
  writeFileSync(at('more', 'broken.ndiff'), readFileSync(V2).subarray(0, 300));
  writeFileSync(at('more', 'notes.ndiff'), 'no payload');
  const { status, stderr, stdout } = await command(
    'plan',
    at('more'),
    '--from',
    base,
    '--to',
    next,
    '--json',
  );
  const { best, skipped } = JSON.parse(stdout);
  expect([status, best.kind, best.files]).toEqual([0, 'direct', ['v1-v3.ndiff']]);
  expect(skipped.map(({ code }: { code: string }) => code)).toEqual(['corrupt-payload', 'not-a-payload']);
  expect(stderr).toMatch(/^skipped broken\.ndiff: .*\nskipped notes\.ndiff: /);
});

test('plan says when there is nothing to do, and no way', async () => {
  const [v1, v2, v3] = identities as [string, string, string];
  expect((await json('plan', updates, '--from', v2, '--to', at('v2'))).best.kind).toBe('none');
  await expectRefusal(['plan', updates, '--from', v3, '--to', v1], 'no-route', 3);
  await expectRefusal(['plan', updates, '--from', 'beef', '--to', v1], 'no-route', 3);
  await expectRefusal(['plan', updates, '--from', at('nowhere'), '--to', v1], 'file-not-found', 2);
  await expectRefusal(['plan', at('nowhere'), '--from', v1, '--to', v2], 'file-not-found', 2);
  await expectRefusal(['plan', updates, '--from', v1, '--to', v2, '--full-bytes', '-1'], 'usage', 2);
  rmSync(at('more'), { recursive: true, force: true });
});

test('reverse makes a payload that takes an update back, and plan finds it', async () => {
  const back = join(updates, 'v3-v2.ndiff');
  const reversed = await json('reverse', V3, '--base', at('v2'), '-o', back);
  const [forwardBytes, payloadBytes] = [V3, back].map((path) => readFileSync(path).length);
  expect(reversed).toMatchObject({
    status: 0,
    base: identities[2],
    next: identities[1],
    forwardBytes,
    payloadBytes,
  });
  await command('apply', at('v3'), back, '-o', at('v2-again'));
  expect(await fingerprintOf(at('v2-again'))).toBe(identities[1]);
  for (const name of ['group1-shard1of10.bin', 'group1-shard5of10.bin'])
    expect(readFileSync(at('v2-again', name))).toEqual(readFileSync(at('v2', name)));
  const { best } = await json('plan', updates, '--from', at('v3'), '--to', at('v2'));
  expect([best.kind, best.files]).toEqual(['direct', ['v3-v2.ndiff']]);
  const { ops } = await json('info', back, '--base', at('v3'));
  expect(ops.map(({ kind }: { kind: string }) => kind)).toContain('exact');
  rmSync(back);
});

test('reverse refuses other bases and outputs that exist; --dry-run writes nothing', async () => {
  await expectRefusal(['reverse', V3, '--base', base, '-o', at('out')], 'wrong-base', 3);
  await expectRefusal(['reverse', V3, '--base', at('v2'), '-o', V2], 'output-exists', 2);
  const { status, stdout } = await command('reverse', V2, '--base', base, '-o', at('out'), '--dry-run');
  expect([status, existsSync(at('out'))]).toEqual([0, false]);
  expect(stdout).toMatch(
    /^back {5}\d+ bytes, .* of the model\nforward {2}\d+ bytes\nmodel {4}\d+ bytes\nway {6}.* weights\n/,
  );
});
