import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { openMemoryStore } from '../../src/model/store.js';
import { writeSafetensors } from '../containers/write-safetensors.js';
import { sha256Hex } from '../release/maker.js';
import { startHostileServer } from '../rig/hostile-server.js';
import { Fleet } from '../updater/fleet.js';
import { command, program, scratch, start } from './command.js';

const folder = scratch();
const at = (...names: string[]): string => join(folder, ...names);
let fleet: Fleet;
let url: string;

beforeAll(async () => {
  fleet = await Fleet.startNow(2);
  await fleet.publish({
    base: openMemoryStore(fleet.version(0).model),
    name: 'v1.ndiff',
    counter: 1,
    bytes: fleet.version(1).payload,
    metrics: { accuracy: 0.96 },
  });
  const server = await startHostileServer(fleet.publisher.files.files);
  url = server.url;
  writeFileSync(at('root.json'), fleet.publisher.files.files.get('metadata/1.root.json') as Uint8Array);
  return () => server.close();
});

/** @returns flags for a fresh model */
function freshModel(name: string): string[] {
  writeFileSync(at(name), writeSafetensors(fleet.version(0).model));
  return ['--model', at(name)];
}

const update = (model: readonly string[], ...more: string[]) =>
  command('update', ...model, '--repo', url, '--root', at('root.json'), ...more);

test('update puts a model on trial, confirm keeps it', async () => {
  const model = freshModel('confirmed.safetensors');
  const [base, next] = [fleet.version(0).name, fleet.version(1).name];
  const planned = await update(model, '--dry-run', '--json');
  expect(JSON.parse(planned.stdout)).toMatchObject({
    plan: { kind: 'direct', base, next, files: [{ name: 'v1.ndiff' }] },
  });
  const { status, stdout, stderr } = await update(model);
  expect([status, stdout]).toEqual([0, `updated: ${next}\n`]);
  expect(stderr).toContain('one payload');
  expect(stderr).toContain('on trial');
  const during = JSON.parse((await command('status', ...model, '--json')).stdout);
  expect(during).toMatchObject({
    status: 'trial',
    fingerprint: next,
    counter: 0,
    trial: { names: ['v1.ndiff'] },
  });
  expect((await update(model)).status).toBe(5);
  expect((await command('confirm', ...model)).stdout).toBe(`confirmed: ${next}\n`);
  expect((await update(model)).stdout).toBe(`already current: ${next}\n`);
  const { stdout: lines } = await command('status', ...model);
  expect(lines).toBe(`model    ${next}\ncounter  1\nstatus   settled\n`);
});

test('status --evidence writes what was installed, when, and by which keys it was signed', async () => {
  const model = freshModel('audited.safetensors');
  await update(model, '--confirm');
  const out = at('evidence.json');
  const { status, stderr } = await command('status', ...model, '--evidence', out);
  expect([status, stderr]).toEqual([0, expect.stringContaining(': 1 release\n')]);
  const { payload } = fleet.version(1);
  const record = JSON.parse(readFileSync(out, 'utf8'));
  expect(record).toMatchObject({
    fingerprint: fleet.version(1).name,
    installed: [
      {
        base: fleet.version(0).name,
        next: fleet.version(1).name,
        counter: 1,
        files: [{ name: 'v1.ndiff', bytes: payload.length, sha256: sha256Hex(payload) }],
        signedBy: { keys: fleet.publisher.signers.targets.map(({ keyid }) => keyid), version: 2 },
      },
    ],
  });
  expect(Math.abs(Date.now() - Date.parse(record.installed[0].confirmedAt))).toBeLessThan(60_000);
  expect((await command('status', ...model, '--evidence', out)).status).toBe(2);
  expect((await command('status', ...model, '--evidence', out, '--force')).status).toBe(0);
});

test('rollback puts the old model back, byte for byte, and it is not tried again', async () => {
  const model = freshModel('rolled.safetensors');
  const before = readFileSync(at('rolled.safetensors'));
  await update(model, '--quiet');
  const { stdout } = await command('rollback', ...model);
  expect(stdout).toBe(`rolled back to: ${fleet.version(0).name}\n`);
  expect(readFileSync(at('rolled.safetensors')).equals(before)).toBe(true);
  expect((await command('rollback', ...model)).stdout).toContain('not on trial');
  const { name: next } = fleet.version(1);
  const why = `model ${next} (v1.ndiff) was rolled back on request`;
  const held = await update(model);
  expect([held.status, held.stdout]).toEqual([
    11,
    `not updated, held-back: ${fleet.version(0).name}\n` +
      `release 1 (${next}) is held back: ${why}; --retry-rejected tries it again\n`,
  ]);
  expect((await command('status', ...model)).stdout).toContain(`held back  ${why}\n`);
  expect(JSON.parse((await update(model, '--json')).stdout)).toMatchObject({
    status: 'held-back',
    plan: null,
    missed: { counter: 1, next, reason: why },
  });
  const planned = await update(model, '--dry-run', '--retry-rejected');
  expect([planned.status, planned.stdout]).toEqual([0, expect.stringContaining(`would update to ${next}`)]);
  expect((await update(model, '--dry-run')).status).toBe(11);
  expect((await update(model, '--retry-rejected', '--confirm')).stdout).toBe(`updated: ${next}\n`);
  expect((await command('status', ...model)).stdout).not.toContain('held back');
});

test('update ends with 11 where a newer release is out of reach, and says which and why', async () => {
  const foreign = await Fleet.start(9);
  writeFileSync(at('foreign.safetensors'), writeSafetensors(foreign.version(8).model));
  const limited = await update(freshModel('limited.safetensors'), '--max-bytes', '10', '--json');
  const bytes = fleet.version(1).payload.length;
  expect([limited.status, JSON.parse(limited.stdout)]).toMatchObject([
    11,
    { status: 'over-limit', missed: { bytes, reason: `it takes ${bytes} bytes, the limit is 10` } },
  ]);
  const { status, stdout } = await update(['--model', at('foreign.safetensors')]);
  expect([status, stdout]).toEqual([11, expect.stringContaining('publish one, or the whole model')]);
});

test('update --test keeps the old model when the command fails, and --confirm needs no trial', async () => {
  const model = freshModel('tested.safetensors');
  const test = ['--test', 'echo tried $NEURAL_DIFF_MODEL; exit 3'];
  // The test's output goes to the program's own stderr.
  const failing = await program('update', ...model, '--repo', url, '--root', at('root.json'), ...test);
  expect([failing.status, failing.stderr]).toEqual([
    9,
    expect.stringContaining(`tried ${at('tested.safetensors')}`),
  ]);
  expect((await command('status', ...model)).stdout).toContain(fleet.version(0).name);
  const other = freshModel('good.safetensors');
  expect((await update(other, '--test', 'exit 0', '--confirm')).status).toBe(0);
  expect((await command('status', ...other)).stdout).toContain('settled');
});

/** @returns an address where no server listens */
async function closedHost(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return `127.0.0.1:${port}`;
}

test('update says by its status why it cannot: no server, another root, no model', async () => {
  const model = freshModel('refused.safetensors');
  const from = (...flags: string[]) => command('update', ...model, ...flags);
  expect((await from('--repo', 'http://127.0.0.1:9', '--root', at('root.json'))).status).toBe(8);
  const other = await Fleet.start(2);
  writeFileSync(at('other.json'), other.publisher.files.files.get('metadata/1.root.json') as Uint8Array);
  expect((await from('--repo', url, '--root', at('other.json'))).status).toBe(5);
  expect((await from('--repo', url)).status).toBe(2);
  const host = await closedHost();
  const closed = await from('--repo', `http://${host}/r?key=1`, '--root', at('root.json'));
  expect(closed.stderr).toContain(`http://${host}/r: connect ECONNREFUSED ${host}`);
  const named = await from('--repo', `http://user:secret@${host}/r`, '--root', at('root.json'));
  expect([named.status, closed.stderr + named.stderr]).toEqual([
    8,
    expect.not.stringMatching(/secret|key=1/),
  ]);
  const wrong = await from('--repo', url, '--root', at('root.json'), '--header', 'secret');
  expect([wrong.status, wrong.stderr]).toEqual([2, expect.stringContaining('--header as "Name: value"')]);
  const bare = await from('--repo', 'example.com/releases', '--root', at('root.json'));
  expect([bare.status, bare.stderr]).toEqual([2, expect.stringContaining('an address with https://')]);
  expect((await command('status', '--model', at('none.onnx'))).status).toBe(2);
});

test('update --header sends headers with each request', async () => {
  const seen: IncomingHttpHeaders[] = [];
  const server = createServer((request, response) => {
    seen.push(request.headers);
    response.writeHead(404).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const headers = ['--header', 'Authorization: Bearer token', '--header', 'x-fleet: a:b'];
  const repo = ['--repo', `http://127.0.0.1:${port}`, '--root', at('root.json')];
  await command('update', ...freshModel('headers.safetensors'), ...repo, ...headers);
  server.close();
  expect(seen[0]).toMatchObject({ authorization: 'Bearer token', 'x-fleet': 'a:b' });
});

test('doctor looks at everything, and puts right what an interruption left', async () => {
  const model = freshModel('sick.safetensors');
  const healthy = await command('doctor', ...model);
  expect([healthy.status, healthy.stdout.match(/^ok /gm)?.length]).toEqual([0, 5]);
  writeFileSync(at('sick.safetensors.undo'), 'neural-diff undo, of which only a few bytes');
  expect((await command('doctor', ...model)).status).toBe(0);
  expect(existsSync(at('sick.safetensors.undo'))).toBe(false);
  writeFileSync(at('sick.safetensors.undo'), new Uint8Array(500).fill(7));
  const sick = await command('doctor', ...model);
  expect([sick.status, sick.stdout]).toEqual([1, expect.stringContaining('BAD  storage  Cannot read')]);
});

test('Ctrl-C during an update leaves the old model', async () => {
  const model = freshModel('stopped.safetensors');
  const before = readFileSync(at('stopped.safetensors'));
  const { child, outcome } = start([
    ...['update', ...model, '--repo', url, '--root', at('root.json'), '--test', 'echo trying; sleep 20'],
  ]);
  child.stderr?.on('data', (text) => {
    if (String(text).includes('trying')) child.kill('SIGINT');
  });
  expect((await outcome).status).toBe(130);
  expect(readFileSync(at('stopped.safetensors')).equals(before)).toBe(true);
  expect((await command('status', ...model)).stdout).toContain('settled');
});

test('status names the updater that has the model on trial, and the others refuse until they are given its folder', async () => {
  const model = freshModel('elsewhere.safetensors');
  const [base, next] = [fleet.version(0).name, fleet.version(1).name];
  mkdirSync(at('not-an-updater'));
  writeFileSync(at('not-an-updater', 'state'), 'something else');
  expect((await update(model, '--updates', 'app/updates')).status).toBe(0);
  expect((await command('status', ...model)).stdout).toContain('status   settled');
  expect((await command('rollback', ...model, '--updates', 'app/updates')).stdout).toContain(base);
  expect((await update(model, '--updates', 'own-updates')).stdout).toBe(`updated: ${next}\n`);
  const flag = '--updates own-updates';
  expect((await command('status', ...model)).stdout).toContain(flag);
  expect(JSON.parse((await command('status', ...model, '--json')).stdout)).toMatchObject({
    other: 'own-updates',
  });
  expect((await command('doctor', ...model)).stdout).toContain(flag);
  for (const act of [
    () => update(model),
    () => command('confirm', ...model),
    () => command('rollback', ...model),
  ]) {
    const { status, stderr } = await act();
    expect([status, stderr]).toEqual([5, expect.stringContaining(`give ${flag} (on-trial)`)]);
  }
  expect(JSON.parse((await command('status', ...model, ...flag.split(' '), '--json')).stdout)).toMatchObject({
    status: 'trial',
    fingerprint: next,
    trial: { starts: 0 },
  });
  expect((await command('rollback', ...model, ...flag.split(' '))).stdout).toBe(`rolled back to: ${base}\n`);
  expect((await update(model, ...flag.split(' '))).status).toBe(11);
  // What another updater remembers of a trial that has ended otherwise is not in the way.
  expect((await update(model)).stdout).toBe(`updated: ${next}\n`);
});
