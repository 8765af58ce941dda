import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { copyModel } from '../../src/model/store.js';
import type { Model } from '../../src/model/tensor.js';
import { openModel } from '../../src/node/open-model.js';
import { writeOnnx } from '../containers/write-onnx.js';
import { writeSafetensors } from '../containers/write-safetensors.js';
import { seededBytes } from '../support.js';
import { command, expectRefusal, scratch, writeModel } from './command.js';

const folder = scratch();
const at = (name: string): string => join(folder, name);
let next: Model;

/** Moves every weight a little. */
function moved({ tensors }: Model): Model {
  const move = (bytes: Uint8Array): Uint8Array =>
    new Uint8Array(new Float32Array(bytes.slice().buffer).map((value) => value * 1.00001).buffer);
  return { tensors: tensors.map((tensor) => ({ ...tensor, bytes: move(tensor.bytes) })) };
}

beforeAll(async () => {
  await writeModel(at('layers'));
  const store = await openModel(at('layers'));
  const base = await copyModel(store);
  await store.close();
  next = moved(base);
  // The tensors repeat each other, which compressors find and diffs do not.
  const noise = base.tensors.map((tensor) => ({ ...tensor, bytes: seededBytes(1, tensor.bytes.length) }));
  writeFileSync(at('base.safetensors'), writeSafetensors(base));
  writeFileSync(at('base.onnx'), writeOnnx(base));
  writeFileSync(at('next.safetensors'), writeSafetensors(next));
  writeFileSync(at('noise.safetensors'), writeSafetensors({ tensors: noise }));
  writeFileSync(at('part.safetensors'), writeSafetensors({ tensors: base.tensors.slice(1) }));
});

const diff = (from: string, to: string, out: string, ...more: string[]) =>
  command('diff', at(from), at(to), '-o', at(out), ...more);

test('diff makes a payload that turns the base into the next model, whatever files they are in', async () => {
  const { status, stdout, stderr } = await diff('layers', 'next.safetensors', 'update.ndiff', '--json');
  expect([status, stderr]).toEqual([0, expect.stringContaining('wrote')]);
  const report = JSON.parse(stdout);
  expect(report).toMatchObject({ payloadBytes: readFileSync(at('update.ndiff')).length, changedTensors: 3 });
  expect(report.saving).toBe(1 - report.payloadBytes / report.fullBytes);
  expect(report.saving).toBeGreaterThan(0.3);
  for (const [base, written] of [
    ['base.safetensors', writeSafetensors(next)],
    ['base.onnx', writeOnnx(next)],
  ] as const) {
    expect((await command('apply', at(base), at('update.ndiff'), '-o', at(`next-of-${base}`))).status).toBe(
      0,
    );
    expect(new Uint8Array(readFileSync(at(`next-of-${base}`)))).toEqual(written);
  }
});

test('diff says which to ship', async () => {
  const small = await diff('layers', 'next.safetensors', 'a.ndiff', '--dry-run');
  expect(small.stdout).toMatch(/full model 9484 bytes, \d+ under (brotli -q 11|xz -9e)\n/);
  expect(small.stdout).toMatch(/ship the diff: it saves \d\d\.\d %\n/);
  expect(small.stderr).toContain('would write');
  const large = await diff('layers', 'noise.safetensors', 'b.ndiff', '--dry-run', '--quiet');
  expect(large.stdout).toContain('ship the full model: the diff is no smaller');
  expect([large.stderr, existsSync(at('a.ndiff')), existsSync(at('b.ndiff'))]).toEqual(['', false, false]);
});

test('diff ends with the status of a gate when it saves too little, and writes nothing', async () => {
  const { status, stdout } = await diff(
    'layers',
    'next.safetensors',
    'c.ndiff',
    '--min-saving',
    '95%',
    '--json',
  );
  const { code, message, payloadBytes } = JSON.parse(stdout).error;
  expect([status, code]).toEqual([10, 'saving-too-small']);
  expect(message).toMatch(
    /^Ship the full model: the diff takes \d+ bytes, the compressed model \d+; that saves \d\d\.\d %, not 95\.0 %/,
  );
  expect(payloadBytes).toBeGreaterThan(100);
  expect(existsSync(at('c.ndiff'))).toBe(false);
  expect((await diff('layers', 'next.safetensors', 'c.ndiff', '--min-saving', '10%')).status).toBe(0);
});

test('diff --no-rename refuses models of other tensors, diff an output that is there, and a saving that is no number', async () => {
  const part = await diff('layers', 'part.safetensors', 'd.ndiff', '--no-rename', '--json');
  expect([part.status, JSON.parse(part.stdout).error.code]).toEqual([3, 'wrong-layout']);
  await expectRefusal(
    diff('layers', 'next.safetensors', 'layers', '--json'),
    'output-exists',
    'exists already',
  );
  await expectRefusal(diff('layers', 'nowhere', 'd.ndiff', '--json'), 'file-not-found', 'nowhere');
  const odd = diff('layers', 'next.safetensors', 'd.ndiff', '--min-saving', 'much', '--json');
  await expectRefusal(odd, 'usage', 'Cannot use --min-saving "much"');
  expect(existsSync(at('d.ndiff'))).toBe(false);
});

test('diff refuses workers that cannot be, or that would do nothing', async () => {
  const refused = (workers: string) =>
    diff('layers', 'next.safetensors', 'refused.ndiff', '--json', '--workers', workers);
  for (const workers of ['0', '1.5'])
    await expectRefusal(refused(workers), 'usage', 'expected a whole number of at least 1');
  await expectRefusal(refused('many'), 'usage', 'Cannot use --workers "many": expected a number');
  await expectRefusal(
    diff('layers', 'next.safetensors', 'refused.ndiff', '--json', '--workers', '2', '--lossy', '5%'),
    'usage',
    'lossy diffs are made in one thread',
  );
  expect(existsSync(at('refused.ndiff'))).toBe(false);
});
