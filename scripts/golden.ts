// Writes the golden files of test/golden, or with --check compares them with what would be written.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fingerprint, hex, type Model, openMemoryStore } from '../src/model/index.js';
import { encodePayload } from '../src/payload/encode.js';
import { type Diff, type Op, patchRange } from '../src/payload/index.js';
import { ACCEPTED } from './golden-accepted.js';
import { REFUSED } from './golden-refused.js';
import { ROUNDED } from './golden-rounding.js';

const describeModel = async (model: Model) => ({
  fingerprint: hex(await fingerprint(openMemoryStore(model))),
  tensors: model.tensors.map(({ bytes, ...info }) => ({ ...info, bytes: hex(bytes) })),
});

/** Lists as long as a screen are facts; longer ones are in the payload alone. */
function describeOp(op: Op): unknown {
  const list = (values: ArrayLike<number>) =>
    values.length > 64 ? `${values.length} values` : Array.from(values);
  if (op.kind === 'dense') return { ...op, levels: list(op.levels) };
  if (op.kind === 'sparse') return { ...op, positions: list(op.positions), levels: list(op.levels) };
  return { ...op, buckets: { coding: op.buckets.coding, values: list(op.buckets.values) } };
}

function patch(base: Model, diff: Diff): Model {
  const tensors = base.tensors.map((tensor) => ({ ...tensor, bytes: tensor.bytes.slice() }));
  for (const tensor of tensors) patchRange(diff.ops, tensor, { startElement: 0, bytes: tensor.bytes });
  return { tensors };
}

function asFloat32(op: Op): Op {
  if (op.kind !== 'hash') return { ...op, scale: Math.fround(op.scale) };
  return { ...op, tensors: op.tensors.map(({ tensor, scale }) => ({ tensor, scale: Math.fround(scale) })) };
}

async function makeAccepted(files: Map<string, Uint8Array>): Promise<void> {
  for (const [name, { base, diff: given, meta = {} }] of Object.entries({ ...ACCEPTED, rounding: ROUNDED })) {
    const diff = { ops: given.ops.map(asFloat32) };
    const next = patch(base, diff);
    const [from, to] = [await fingerprint(openMemoryStore(base)), await fingerprint(openMemoryStore(next))];
    const payload = await encodePayload({ base: from, next: to, tensors: base.tensors, meta }, diff);
    const facts = {
      payload: { bytes: payload.length, meta, ops: diff.ops.map(describeOp) },
      base: await describeModel(base),
      next: await describeModel(next),
    };
    add(files, `accept/${name}`, { payload, facts });
  }
}

async function makeRefused(files: Map<string, Uint8Array>): Promise<void> {
  for (const [name, refused] of Object.entries(REFUSED)) {
    const { payload, model } = await refused.make();
    add(files, `refuse/${name}`, {
      payload,
      facts: { code: refused.code, model: await describeModel(model) },
    });
  }
}

function add(
  files: Map<string, Uint8Array>,
  folder: string,
  made: { payload: Uint8Array; facts: unknown },
): void {
  files.set(`${folder}/payload.ndiff`, made.payload);
  files.set(`${folder}/facts.json`, new TextEncoder().encode(`${JSON.stringify(made.facts, null, 1)}\n`));
}

function check(root: string, files: ReadonlyMap<string, Uint8Array>): string[] {
  const kept = ['accept', 'refuse']
    .flatMap((group) => readdirSync(join(root, group), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1));
  const surplus = kept.filter((path) => !files.has(path));
  const differing = [...files].filter(
    ([path, bytes]) => !kept.includes(path) || !readFileSync(join(root, path)).equals(bytes),
  );
  return [...surplus, ...differing.map(([path]) => path)];
}

function write(root: string, files: ReadonlyMap<string, Uint8Array>): void {
  for (const group of ['accept', 'refuse']) rmSync(join(root, group), { recursive: true, force: true });
  for (const [path, bytes] of files) {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), bytes);
  }
}

const root = resolve('test/golden');
const files = new Map<string, Uint8Array>();
await makeAccepted(files);
await makeRefused(files);
if (process.argv.includes('--check')) {
  const wrong = check(root, files);
  for (const path of wrong) process.stderr.write(`differs: ${path}\n`);
  if (wrong.length > 0) process.exitCode = 1;
  else process.stdout.write(`${files.size} golden files are as written\n`);
} else {
  write(root, files);
  process.stdout.write(`wrote ${files.size} golden files\n`);
}
