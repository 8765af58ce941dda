import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { command, scratch } from '../cli/command.js';
import { seededFloats } from '../support.js';
import { INPUT, mixedFiles, rawFiles } from './onnx-model.js';
import { loadOnnxRuntime } from './onnx-runtime.js';
import { diffFolders, patchInPlace, writeFiles } from './patched.js';

const run = await loadOnnxRuntime();
const folder = scratch();
const at = (...names: string[]): string => join(folder, ...names);

/** @returns what a model makes of several inputs, bit for bit */
async function outputsOf(name: string): Promise<Uint8Array[]> {
  const outputs: Uint8Array[] = [];
  for (let seed = 1; seed <= 5; seed++) {
    const values = seededFloats(seed, 24);
    const found = await run!(at(name, 'model.onnx'), { [INPUT.name]: { shape: INPUT.shape, values } });
    const output = found.y as Uint8Array;
    expect(new Float32Array(output.buffer as ArrayBuffer).every(Number.isFinite)).toBe(true);
    outputs.push(output);
  }
  return outputs;
}

beforeAll(() => {
  writeFiles(at('base'), mixedFiles(1));
  writeFiles(at('next'), mixedFiles(100));
  writeFiles(at('next-raw'), rawFiles(100));
});

test.skipIf(!run)('ONNX Runtime tells the models apart, not the ways in which they are written', async () => {
  const [base, next] = [await outputsOf('base'), await outputsOf('next')];
  expect(next.map(({ length }) => length)).toEqual(Array(5).fill(4 * 15));
  for (const [i, output] of next.entries()) expect(output).not.toEqual(base[i]);
  expect(await outputsOf('next-raw')).toEqual(next);
});

test.skipIf(!run).each(['next', 'next-raw'])(
  'ONNX Runtime makes of a file patched in place what it makes of %s',
  async (name) => {
    writeFiles(at(`to-${name}`), mixedFiles(1));
    await patchInPlace(at(`to-${name}`), await diffFolders(at('base'), at(name)));
    expect(await outputsOf(`to-${name}`)).toEqual(await outputsOf(name));
  },
);

test.skipIf(!run)(
  'ONNX Runtime makes of a copy that the command line patched what it makes of the next',
  async () => {
    const before = await outputsOf('base');
    const made = await command('diff', at('base'), at('next-raw'), '-o', at('update.ndiff'));
    expect(made).toMatchObject({ status: 0 });
    const applied = await command('apply', at('base'), at('update.ndiff'), '-o', at('copy'));
    expect(applied).toMatchObject({ status: 0 });
    expect(await outputsOf('copy')).toEqual(await outputsOf('next-raw'));
    expect(await outputsOf('base')).toEqual(before);
  },
);
