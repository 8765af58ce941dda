import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { openMemoryStore } from '../../src/model/store.js';
import { writeSafetensors } from '../containers/write-safetensors.js';
import { Fleet } from '../updater/fleet.js';
import { command, program, scratch } from './command.js';

const folder = scratch();
const at = (...names: string[]): string => join(folder, ...names);
let fleet: Fleet;

/** Runs the model's one dense layer on the golden inputs, and compares. */
const TRY = `
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
const { inputs, outputs, tolerance } = JSON.parse(readFileSync(process.env.NEURAL_DIFF_GOLDEN, 'utf8'));
const file = readFileSync(process.env.NEURAL_DIFF_MODEL);
const end = 8 + Number(file.readBigUInt64LE(0));
const { 'a/kernel': { shape: [rows, columns], data_offsets: [from] } } = JSON.parse(file.subarray(8, end));
const weight = (row, column) => file.readFloatLE(end + from + 4 * (row * columns + column));
let isGood = true;
inputs.forEach((input, i) => {
  for (let column = 0; column < columns; column++) {
    let sum = 0;
    for (let row = 0; row < rows; row++) sum += input[row] * weight(row, column);
    isGood &&= Math.abs(sum - outputs[i][column]) <= tolerance;
  }
});
console.log(basename(process.env.NEURAL_DIFF_GOLDEN), isGood ? 'as expected' : 'not as expected');
process.exit(isGood ? 0 : 1);
`;

/** @returns golden inputs of a model: two inputs, and what a dense layer of its kernel gives */
function goldenOf(index: number, off = 0): Uint8Array {
  const { bytes, shape } = fleet.version(index).model.tensors[0]!;
  const [rows, columns] = shape as [number, number];
  const kernel = new Float32Array(bytes.slice().buffer);
  const inputs = [1, 2].map((k) => Array.from({ length: rows }, (_, row) => Math.sin(k * row)));
  const outputs = inputs.map((input) =>
    Array.from({ length: columns }, (_, column) =>
      input.reduce((sum, value, row) => sum + value * (kernel[row * columns + column] as number), off),
    ),
  );
  return new TextEncoder().encode(JSON.stringify({ inputs, outputs, tolerance: 1e-6 }));
}

beforeAll(async () => {
  fleet = await Fleet.startNow(3);
  writeFileSync(at('try.mjs'), TRY);
});

/** Releases a version with golden inputs, into a folder of its own. @returns flags of an update from it */
async function release(name: string, golden: Uint8Array): Promise<string[]> {
  const { publisher } = await Fleet.start(1, fleet.publisher.clock);
  await publisher.publish({
    base: openMemoryStore(fleet.version(0).model),
    name: 'v1.ndiff',
    counter: 1,
    bytes: fleet.version(1).payload,
    expires: new Date(publisher.clock.after(60)),
    golden: { name: 'golden.json', bytes: golden },
  });
  for (const [path, bytes] of publisher.files.files) {
    mkdirSync(dirname(at(name, path)), { recursive: true });
    writeFileSync(at(name, path), bytes);
  }
  writeFileSync(at(`${name}.safetensors`), writeSafetensors(fleet.version(0).model));
  const repository = ['--repo', at(name), '--root', at(name, 'metadata/1.root.json')];
  return ['--model', at(`${name}.safetensors`), ...repository];
}

const leftovers = () => readdirSync(tmpdir()).filter((name) => name.startsWith('neural-diff-golden-'));

test('update --test hands the signed golden inputs to a program that compares, before the update is complete', async () => {
  const flags = await release('good', goldenOf(1));
  const before = leftovers();
  const { status, stdout, stderr } = await program(
    'update',
    ...flags,
    '--test',
    `node ${at('try.mjs')}`,
    '--confirm',
  );
  expect([status, stdout]).toEqual([0, `updated: ${fleet.version(1).name}\n`]);
  expect(stderr).toContain('golden.json as expected');
  expect(leftovers()).toEqual(before);
});

test('update --test restores the base when the outputs are off by more than the tolerance', async () => {
  const flags = await release('bad', goldenOf(1, 1e-3));
  const before = leftovers();
  const failing = await program('update', ...flags, '--test', `node ${at('try.mjs')}`, '--json');
  expect([failing.status, JSON.parse(failing.stdout).error.code]).toEqual([9, 'health-check-failed']);
  expect(failing.stderr).toContain('golden.json not as expected');
  expect(readFileSync(at('bad.safetensors'))).toEqual(Buffer.from(writeSafetensors(fleet.version(0).model)));
  expect(leftovers()).toEqual(before);
  // The model is not tried again.
  expect((await command('update', ...flags, '--test', 'exit 0')).stdout).toContain('failed its self-test');
});

test('update without --test says that golden inputs are not run', async () => {
  const flags = await release('untested', goldenOf(1));
  expect((await command('update', ...flags)).stderr).toContain(
    'golden inputs, which are not run without --test',
  );
});

test('a test of a release without golden inputs has no file of them', async () => {
  process.env.NEURAL_DIFF_GOLDEN = at('none');
  const { publisher } = fleet;
  await fleet.release(1);
  for (const [path, bytes] of publisher.files.files) {
    mkdirSync(dirname(at('plain', path)), { recursive: true });
    writeFileSync(at('plain', path), bytes);
  }
  writeFileSync(at('plain.safetensors'), writeSafetensors(fleet.version(0).model));
  const repository = ['--repo', at('plain'), '--root', at('plain/metadata/1.root.json')];
  const flags = [
    '--model',
    at('plain.safetensors'),
    ...repository,
    '--test',
    'test -z "$NEURAL_DIFF_GOLDEN"',
  ];
  expect((await program('update', ...flags)).status).toBe(0);
  delete process.env.NEURAL_DIFF_GOLDEN;
});
