import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { beforeAll, expect, test } from 'vitest';
import { writeSafetensors } from '../containers/write-safetensors.js';
import { sampleModel, seededTensor } from '../support.js';
import { command, expectRefusal, scratch, start, writeModel } from './command.js';
import { quantise } from './quantise.js';

const folder = scratch();
const at = (...names: string[]): string => join(folder, ...names);

beforeAll(async () => {
  await writeModel(at('v1'), 1);
  quantise(at('v1'), at('v1q'), 'uint8');
  writeFileSync(at('every.safetensors'), writeSafetensors(sampleModel()));
});

/** Runs `convert` with `--json`. @returns what it printed */
async function convert(...args: string[]) {
  const { status, stdout } = await command('convert', ...args, '--json');
  return { exit: status, ...JSON.parse(stdout) };
}

async function fingerprintOf(path: string): Promise<string> {
  return (await command('fingerprint', path)).stdout.trim();
}

test.each(['v1', 'v1q'])('convert takes %s through safetensors and npz back to a folder', async (name) => {
  const fingerprint = await fingerprintOf(at(name));
  const [first, second, last] = [at(`${name}.safetensors`), at(`${name}.npz`), at(`${name}.back`)];
  const dry = await convert(at(name), first, '--dry-run');
  expect(dry).toMatchObject({ exit: 0, dryRun: true, format: 'safetensors', fingerprint });
  expect(existsSync(first)).toBe(false);
  const written = await convert(at(name), first);
  expect(written).toMatchObject({ exit: 0, fingerprint, bytes: readFileSync(first).length });
  expect(written.bytes).toBe(dry.bytes);
  expect(await convert(first, second)).toMatchObject({ format: 'npz', fingerprint });
  const back = await convert(second, last, '--topology', at(name, 'model.json'));
  expect(back).toMatchObject({ exit: 0, format: 'tfjs', fingerprint });
  expect(readdirSync(last).sort()).toEqual(['group1-shard1of1.bin', 'model.json']);
  const textOf = (path: string) => {
    const { weightsManifest, ...rest } = JSON.parse(readFileSync(join(path, 'model.json'), 'utf8'));
    return [rest, weightsManifest.flatMap(({ weights }: { weights: unknown[] }) => weights)];
  };
  expect(textOf(last)).toEqual(textOf(at(name)));
  for (const path of [first, second, last]) expect(await fingerprintOf(path)).toBe(fingerprint);
});

test('convert writes the scales of the model, not those of the topology', async () => {
  cpSync(at('v1q'), at('scaled'), { recursive: true });
  const json = JSON.parse(readFileSync(at('scaled', 'model.json'), 'utf8'));
  json.weightsManifest[0].weights[0].quantization.scale *= 2;
  writeFileSync(at('scaled', 'model.json'), JSON.stringify(json));
  const made = await convert(at('v1q'), at('rescaled'), '--topology', at('scaled'));
  expect(made.fingerprint).toBe(await fingerprintOf(at('v1q')));
});

test('convert replaces an output only if forced, and never a folder that has the model', async () => {
  expect((await convert(at('v1'), at('twice'))).exit).toBe(0);
  expect(await convert(at('v1'), at('twice'))).toMatchObject({ exit: 2, error: { code: 'output-exists' } });
  expect((await convert(at('v1'), at('twice'), '--force')).exit).toBe(0);
  await expectRefusal(
    command('convert', at('v1'), at('v1', '..'), '--topology', at('v1'), '--force', '--json'),
    'output-exists',
    'it contains the model',
  );
});

test('convert refuses what the target cannot hold', async () => {
  const refused = (...args: string[]) => command('convert', ...args, '--json');
  const every = at('every.safetensors');
  await expectRefusal(refused(every, at('no.npz')), 'unsupported-model', 'bfloat16 of tensor "brain"');
  await expectRefusal(refused(every, at('no')), 'usage', 'Expected --topology');
  await expectRefusal(refused(at('v1'), at('no.onnx')), 'usage', '.safetensors or .npz');
  await expectRefusal(refused(at('v1'), at('no.npz'), '--topology', at('v1')), 'usage', 'only a folder');
  const other = await refused(every, at('no'), '--topology', at('v1'));
  expect([other.status, JSON.parse(other.stdout).error.code]).toEqual([3, 'wrong-layout']);
  await expectRefusal(refused(every, at('no'), '--topology', every), 'bad-model', 'expected JSON');
  const named = { tensors: [seededTensor('__metadata__', 'float32', [2])] };
  const weights = named.tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape }));
  mkdirSync(at('named'));
  writeFileSync(at('named', 'a.bin'), new Uint8Array(8));
  writeFileSync(
    at('named', 'model.json'),
    JSON.stringify({ weightsManifest: [{ paths: ['a.bin'], weights }] }),
  );
  await expectRefusal(refused(at('named'), at('no.safetensors')), 'unsupported-model', '"__metadata__"');
  expect(readdirSync(folder).filter((name) => name.startsWith('no') || name.startsWith('.'))).toEqual([]);
});

test.each(['SIGINT', 'SIGKILL'] as const)('convert leaves no output after %s', async (signal) => {
  const large = at('large.safetensors');
  if (!existsSync(large))
    writeFileSync(large, writeSafetensors({ tensors: [seededTensor('a', 'float32', [2 ** 24])] }));
  const out = at(signal);
  mkdirSync(out);
  const { child, outcome } = start(['convert', large, join(out, 'large.npz')]);
  while (readdirSync(out).length === 0 && child.exitCode === null) await setTimeout(1);
  child.kill(signal);
  const { status } = await outcome;
  expect(status).toBe(signal === 'SIGINT' ? 130 : null);
  const left = readdirSync(out);
  expect(left.filter((name) => !name.startsWith('.'))).toEqual([]);
  if (signal === 'SIGINT') expect(left).toEqual([]);
});
