// Writes the golden files of test/golden, or with --check compares them with what would be written.

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fromHex, hex } from '../src/model/bytes.js';
import { fingerprint } from '../src/model/fingerprint.js';
import { openMemoryStore } from '../src/model/store.js';
import type { Model } from '../src/model/tensor.js';
import { joinBytes } from '../src/payload/byte-source.js';
import { type Diff, isSet, type Op, type SparseOp } from '../src/payload/diff.js';
import { encodePayload, type PayloadFacts } from '../src/payload/encode.js';
import { type EncodedRecord, encodeSparse } from '../src/payload/encode-records.js';
import { layoutOf, RECORD_CODES } from '../src/payload/header.js';
import { openPayload } from '../src/payload/open-payload.js';
import { patchRange } from '../src/payload/patch.js';
import { ACCEPTED } from './golden-accepted.js';
import { CODED } from './golden-coding.js';
import { DELTAS } from './golden-delta.js';
import { makeFileSamples } from './golden-files.js';
import { REFUSED } from './golden-refused.js';
import { ROUNDED } from './golden-rounding.js';
import type { Accepted } from './golden-samples.js';
import { pack, seal } from './golden-seal.js';
import { makeStepsSample } from './golden-steps.js';

/** Bytes up to here are spelt out; longer tensors are mostly zeros. */
const SPELT_BYTES = 4_096;

/** @returns hexadecimal digits, or for long arrays their length and the runs that are not 0, by offset */
function describeBytes(bytes: Uint8Array): unknown {
  if (bytes.length <= SPELT_BYTES) return hex(bytes);
  const runs: Record<string, string> = {};
  for (let at = 0; at < bytes.length; at++) {
    if (bytes[at] === 0) continue;
    const end = bytes.indexOf(0, at);
    const run = bytes.subarray(at, end < 0 ? bytes.length : end);
    runs[at] = hex(run);
    at += run.length;
  }
  return { length: bytes.length, runs };
}

const describeModel = async (model: Model) => ({
  fingerprint: await fingerprint(openMemoryStore(model)),
  tensors: model.tensors.map(({ bytes, ...info }) => ({ ...info, bytes: describeBytes(bytes) })),
});

function describeOp(op: Op): unknown {
  if (op.kind === 'dense') return { ...op, levels: Array.from(op.levels) };
  if (isSet(op)) return { kind: op.kind, tensor: op.tensor, bytes: describeBytes(op.bytes) };
  if (op.kind === 'sparse' || op.kind === 'exact')
    return { ...op, positions: Array.from(op.positions), levels: Array.from(op.levels) };
  if (op.kind === 'low-rank') {
    const [scales, columns, rows] = [op.scales, op.columns, op.rows].map((list) => Array.from(list));
    return { ...op, scales, columns, rows };
  }
  return { ...op, buckets: { coding: op.buckets.coding, values: Array.from(op.buckets.values) } };
}

function patch(base: Model, diff: Diff): Model {
  const tensors = base.tensors.map((tensor) => ({ ...tensor, bytes: tensor.bytes.slice() }));
  for (const tensor of tensors) patchRange(diff.ops, tensor, { startElement: 0, bytes: tensor.bytes });
  return { tensors };
}

/** @returns a payload of one sparse record whose positions are coded as the sample says */
async function encodeChosen({ base, diff, choose }: Accepted, facts: PayloadFacts): Promise<Uint8Array> {
  const record = encodeSparse(diff.ops as SparseOp[], base.tensors, choose);
  const layout = await layoutOf(base.tensors);
  const values = [fromHex(facts.base), fromHex(facts.next), layout, [1], facts.meta];
  return seal(pack('ndiff1'), pack(values), pack(record));
}

/** @returns a payload of the sample's own records */
async function encodeGiven(
  { base, partBytes = Number.POSITIVE_INFINITY }: Accepted,
  records: readonly EncodedRecord[],
  facts: PayloadFacts,
): Promise<Uint8Array> {
  const inParts = (bytes: Uint8Array): Uint8Array | Uint8Array[] => {
    if (bytes.length <= partBytes) return bytes;
    const count = Math.ceil(bytes.length / partBytes);
    return Array.from({ length: count }, (_, i) => bytes.subarray(i * partBytes, (i + 1) * partBytes));
  };
  const layout = await layoutOf(base.tensors);
  const codes = records.map(({ kind }) => RECORD_CODES[kind]);
  const values = [fromHex(facts.base), fromHex(facts.next), layout, codes, facts.meta];
  return seal(pack('ndiff1'), pack(values), ...records.map(({ bytes }) => pack(inParts(bytes))));
}

function encodeOwn(sample: Accepted, facts: PayloadFacts): Promise<Uint8Array> {
  if (sample.records) return encodeGiven(sample, sample.records, facts);
  return sample.choose ? encodeChosen(sample, facts) : encodePayload(facts, sample.diff);
}

/** @returns a payload with records of a later version behind its own */
async function withLater(payload: Uint8Array, later: NonNullable<Accepted['later']>): Promise<Uint8Array> {
  const { header, records } = await openPayload(payload);
  const { base, next, layout, meta } = header;
  const codes = [...records.map(({ kind }) => RECORD_CODES[kind]), ...later.map(({ code }) => code)];
  const values = [fromHex(base), fromHex(next), layout, codes, meta];
  const bytes = [...records.map((record) => joinBytes(record.bytes)), ...later.map((record) => record.bytes)];
  return seal(pack('ndiff1'), pack(values), ...bytes.map(pack));
}

async function makeAccepted(files: Map<string, Uint8Array>): Promise<void> {
  const samples: Readonly<Record<string, Accepted>> = { ...ACCEPTED, ...CODED, ...DELTAS, rounding: ROUNDED };
  for (const [name, sample] of Object.entries(samples)) {
    const { base, diff, meta = {} } = sample;
    const next = patch(base, diff);
    const [from, to] = [await fingerprint(openMemoryStore(base)), await fingerprint(openMemoryStore(next))];
    const facts = { base: from, next: to, tensors: base.tensors, meta };
    const own = await encodeOwn(sample, facts);
    const payload = sample.later ? await withLater(own, sample.later) : own;
    const { header, records } = await openPayload(payload);
    const described = {
      payload: {
        bytes: payload.length,
        layout: header.layout,
        records: records.map(({ kind }) => kind),
        isChosenByEncoder: !(sample.choose || sample.records || sample.later),
        meta,
        ops: diff.ops.map(describeOp),
      },
      base: await describeModel(base),
      next: await describeModel(next),
    };
    add(files, `accept/${name}`, { payload, facts: described });
  }
}

async function makeFiles(files: Map<string, Uint8Array>): Promise<void> {
  const samples = [...(await makeFileSamples()), await makeStepsSample()];
  for (const { name, payload, base, structure, next, to, facts } of samples) {
    const { header, records } = await openPayload(payload);
    const made = Array.from(next, ([path, bytes]) => ({ path, bytes: hex(bytes) }));
    const described = {
      payload: {
        bytes: payload.length,
        layout: header.layout,
        records: records.map(({ kind }) => kind),
        facts,
      },
      base: { ...(await describeModel(base)), structure: hex(structure) },
      next: { fingerprint: to, files: made },
    };
    add(files, `files/${name}`, { payload, facts: described });
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
  files.set(`${folder}/facts.json`, new TextEncoder().encode(`${formatFacts(made.facts)}\n`));
}

/** @returns indented JSON with lists of numbers on one line */
function formatFacts(facts: unknown): string {
  const text = JSON.stringify(facts, null, 1);
  return text.replaceAll(/\[[-\d.e+,\s]+\]/g, (list) => list.replaceAll(/\s+/g, ''));
}

/** Folders of the kit. */
const GROUPS = ['accept', 'files', 'refuse'];

function check(root: string, files: ReadonlyMap<string, Uint8Array>): string[] {
  const kept = GROUPS.flatMap((group) =>
    readdirSync(join(root, group), { recursive: true, withFileTypes: true }),
  )
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1));
  const surplus = kept.filter((path) => !files.has(path));
  const differing = [...files].filter(
    ([path, bytes]) => !kept.includes(path) || !readFileSync(join(root, path)).equals(bytes),
  );
  return [...surplus, ...differing.map(([path]) => path)];
}

function write(root: string, files: ReadonlyMap<string, Uint8Array>): void {
  for (const group of GROUPS) rmSync(join(root, group), { recursive: true, force: true });
  for (const [path, bytes] of files) {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), bytes);
  }
}

const root = resolve('test/golden');
const files = new Map<string, Uint8Array>();
await makeAccepted(files);
await makeFiles(files);
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
