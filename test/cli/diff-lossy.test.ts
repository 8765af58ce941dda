import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { copyModel } from '../../src/model/store.js';
import type { Model } from '../../src/model/tensor.js';
import { openModel } from '../../src/node/open-model.js';
import { writeSafetensors } from '../containers/write-safetensors.js';
import { seededFloats } from '../support.js';
import { command, expectRefusal, scratch, writeModel } from './command.js';

const folder = scratch();
const at = (name: string): string => join(folder, name);

async function readModel(path: string): Promise<Model> {
  const store = await openModel(path);
  const model = await copyModel(store);
  await store.close();
  return model;
}

const floatsOf = (bytes: Uint8Array): Float32Array => new Float32Array(bytes.slice().buffer);

/** Moves every weight a little. */
function moved({ tensors }: Model): Model {
  const move = (bytes: Uint8Array, seed: number): Uint8Array => {
    const moves = seededFloats(seed, bytes.length / 4);
    return new Uint8Array(floatsOf(bytes).map((value, i) => value + 0.01 * (moves[i] as number)).buffer);
  };
  return { tensors: tensors.map((tensor, i) => ({ ...tensor, bytes: move(tensor.bytes, i + 1) })) };
}

beforeAll(async () => {
  await writeModel(at('layers'));
  const base = await readModel(at('layers'));
  writeFileSync(at('base.safetensors'), writeSafetensors(base));
  writeFileSync(at('next.safetensors'), writeSafetensors(moved(base)));
  writeFileSync(at('part.safetensors'), writeSafetensors({ tensors: base.tensors.slice(1) }));
});

const diff = (to: string, out: string, ...more: string[]) =>
  command('diff', at('layers'), at(to), '-o', at(out), ...more);

/** What is left of each tensor's change, as a share of it. */
async function errorsOf(patched: string): Promise<Map<string, number>> {
  const [base, next, got] = await Promise.all(
    ['base.safetensors', 'next.safetensors', patched].map((name) => readModel(at(name))),
  );
  const size = (a: Uint8Array, b: Uint8Array): number => {
    const other = floatsOf(b);
    return Math.sqrt(floatsOf(a).reduce((sum, value, i) => sum + (value - (other[i] as number)) ** 2, 0));
  };
  const bytesIn = (model: Model | undefined, name: string): Uint8Array =>
    model?.tensors.find((tensor) => tensor.name === name)?.bytes as Uint8Array;
  const names = (next as Model).tensors.map(({ name }) => name);
  return new Map(
    names.map((name) => {
      const after = bytesIn(next, name);
      return [name, size(after, bytesIn(got, name)) / size(after, bytesIn(base, name))];
    }),
  );
}

test('diff --lossy makes a payload that leads near the next model, within the share asked for', async () => {
  const { status, stdout, stderr } = await diff('next.safetensors', 'a.ndiff', '--lossy', '5%', '--json');
  expect([status, stderr]).toEqual([0, expect.stringContaining('wrote')]);
  const report = JSON.parse(stdout);
  expect(report.payloadBytes).toBe(readFileSync(at('a.ndiff')).length);
  expect(report.payloadBytes).toBeLessThan(0.5 * report.exactBytes);
  expect([report.isExact, report.error <= 0.05, report.worstError <= 0.05]).toEqual([false, true, true]);
  const output = at('near.safetensors');
  expect((await command('apply', at('base.safetensors'), at('a.ndiff'), '-o', output)).status).toBe(0);
  const print = await command('fingerprint', output);
  expect(print.stdout.trim()).toBe(report.next);
  const errors = await errorsOf('near.safetensors');
  for (const { tensor, error } of report.perTensor) expect(errors.get(tensor)).toBeCloseTo(error, 12);
});

test('diff --budget stays within the bytes, and says that the result is not the next model', async () => {
  const { status, stdout } = await diff('next.safetensors', 'b.ndiff', '--budget', '900');
  expect(status).toBe(0);
  const bytes = readFileSync(at('b.ndiff')).length;
  expect([bytes <= 900, bytes > 850]).toEqual([true, true]);
  expect(stdout).toMatch(/^diff +\d+ bytes, .+ % of the model\nexact diff \d+ bytes\n/);
  expect(stdout).toMatch(/error +\d+\.\d+ % of the change, in each tensor at most \d+\.\d+ %\n/);
  expect(stdout).toContain('the result is not the next model: it is near it, by that error');
  const all = await diff('next.safetensors', 'c.ndiff', '--budget', '100%', '--dry-run');
  expect(all.stdout).toContain('the result is the next model, bit for bit');
  expect([all.stderr.includes('would write'), existsSync(at('c.ndiff'))]).toEqual([true, false]);
});

test('diff --lossy minds --min-saving', async () => {
  const refused = await diff(
    ...(['next.safetensors', 'd.ndiff', '--lossy', '5%', '--min-saving', '99%', '--json'] as const),
  );
  expect([refused.status, JSON.parse(refused.stdout).error.code]).toEqual([10, 'saving-too-small']);
  expect(existsSync(at('d.ndiff'))).toBe(false);
});

test('a lossy diff refuses what it cannot meet, and writes nothing', async () => {
  const refused = (...more: string[]) => diff('next.safetensors', 'e.ndiff', '--json', ...more);
  await expectRefusal(refused('--lossy', '5%', '--budget', '900'), 'usage', 'either --lossy or --budget');
  await expectRefusal(refused('--lossy', 'much'), 'usage', 'Cannot use --lossy "much"');
  await expectRefusal(refused('--lossy', '0%'), 'usage', 'above 0 % and below 100 %, got 0 %');
  await expectRefusal(refused('--lossy', '2'), 'usage', 'got 200 %');
  await expectRefusal(refused('--budget', 'much'), 'usage', 'Cannot read budget "much"');
  await expectRefusal(refused('--budget', '30'), 'budget-impossible', 'Cannot meet a budget of 30 bytes');
  await expectRefusal(diff('nowhere', 'e.ndiff', '--lossy', '5%', '--json'), 'file-not-found', 'nowhere');
  const part = await diff('part.safetensors', 'e.ndiff', '--lossy', '5%', '--json');
  expect([part.status, JSON.parse(part.stdout).error.code]).toEqual([3, 'wrong-layout']);
  const missing = await command('diff', at('layers'), '-o', at('e.ndiff'), '--lossy', '5%', '--json');
  expect([missing.status, JSON.parse(missing.stdout).error.code]).toEqual([2, 'usage']);
  const there = diff('next.safetensors', 'layers', '--lossy', '5%', '--json');
  await expectRefusal(there, 'output-exists', 'exists already');
  expect(existsSync(at('e.ndiff'))).toBe(false);
});
