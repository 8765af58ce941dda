import { openBytes } from '../src/containers/open-container.js';
import { fingerprint, sha256 } from '../src/model/fingerprint.js';
import { openMemoryFiles } from '../src/model/model-files.js';
import { copyModel } from '../src/model/store.js';
import { codeTable, digestStructure, factsOf } from '../src/payload/files-record.js';
import { layoutOf } from '../src/payload/header.js';
import { RangeEncoder } from '../src/payload/range-encoder.js';
import { StructureCoding } from '../src/payload/structure-coding.js';
import type { MadeSample } from './golden-files.js';
import { pack, raw, seal } from './golden-seal.js';

/** A byte; numbers of so many bytes; a match: at a place in H, so far back, or where the last one ended. */
type Step =
  | number
  | { readonly width: number; readonly numbers: readonly number[] }
  | { readonly length: number; readonly place?: number; readonly back?: number };

/** Every step after every other, which no encoder would choose. */
const STEPS: readonly Step[] = [
  { length: 5 },
  ...[0x7a, 0x79],
  { width: 1, numbers: [7, 9, 200, 3] },
  ...[0x51, 0x72],
  { width: 4, numbers: [1, 70_000, 69_999, 0xffffffff] },
  { length: 3 },
  { width: 2, numbers: [5, 65_535, 0] },
  { place: 2, length: 6 },
  { place: 9, length: 4 },
  // From the base into what follows it.
  { place: 30, length: 12 },
  0x40,
  { back: 3, length: 10 },
  ...[0x41, 0x42],
  { back: 1, length: 4 },
  { width: 1, numbers: [250, 1, 2] },
  { width: 4, numbers: [258] },
  { length: 2 },
  { place: 20, length: 4 },
  0x21,
];

const BASE = new TextEncoder().encode('abcdefghijklmnopqrstuvwxyz0123456789');

function lengthOf(step: Step): number {
  if (typeof step === 'number') return 1;
  return 'width' in step ? step.width * step.numbers.length : step.length;
}

/** Codes a step behind what was coded before, and adds its bytes there. */
function codeStep(coding: StructureCoding, step: Step): void {
  const { bytes, at } = coding;
  if (typeof step === 'number') {
    bytes[at] = step;
    coding.step();
  } else if ('width' in step) {
    const { width, numbers } = step;
    const spelt = numbers.flatMap((number) =>
      [0, 8, 16, 24].slice(0, width).map((shift) => number >>> shift),
    );
    bytes.set(spelt, at);
    coding.step({ width, count: numbers.length });
  } else {
    const { length, place, back } = step;
    const from = place ?? (back === undefined ? coding.from : at - back);
    for (let i = 0; i < length; i++) bytes[at + i] = bytes[from + i] as number;
    coding.step({ from, length });
  }
}

/** Makes a payload of a file in no known format, by the steps above. */
export async function makeStepsSample(): Promise<MadeSample> {
  const open = (bytes: Uint8Array) => openBytes(openMemoryFiles(new Map([['m.bin', bytes]])), 'm.bin');
  const joined = new Uint8Array(STEPS.map(lengthOf).reduce((sum, length) => sum + length, BASE.length));
  joined.set(BASE);
  // A first pass finds the bytes, whose digest comes before them.
  const code = (encoder: RangeEncoder): void => {
    const coding = new StructureCoding(encoder, joined, BASE.length);
    for (const step of STEPS) codeStep(coding, step);
  };
  code(new RangeEncoder());
  const made = joined.slice(BASE.length);
  const base = await open(BASE);
  const table = {
    files: [{ path: 'm.bin', bytes: made.length, sha256: await sha256(made) }],
    base: { bytes: BASE.length, digest: await digestStructure(BASE) },
    tensors: [],
  };
  const encoder = new RangeEncoder();
  codeTable(encoder, base.tensors, table);
  code(encoder);
  const { made: _, ...facts } = factsOf(table, new Set());
  const [from, to] = [await fingerprint(base), await fingerprint(await open(made))];
  const values = [raw(from), raw(to), await layoutOf(base.tensors), [9], {}];
  const payload = await seal(pack('ndiff1'), pack(values), pack(encoder.finish()));
  const next = new Map([['m.bin', made]]);
  return {
    name: 'structure-of-every-step',
    payload,
    base: await copyModel(base),
    structure: BASE,
    next,
    to,
    facts,
  };
}
