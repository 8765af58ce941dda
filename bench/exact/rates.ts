import { compileDecoding, createSegmentDecoder } from '../../src/apply/fast/segment-decoder.js';
import { concatBytes } from '../../src/model/bytes.js';
import {
  byteLength,
  elementCount,
  type Model,
  type Tensor,
  type TensorInfo,
} from '../../src/model/tensor.js';
import { PlainSegmentDecoder, type SegmentDecoder } from '../../src/payload/delta/decoder.js';
import { elementsOf } from '../../src/payload/delta/elements.js';
import { chooseModel } from '../../src/payload/delta/models.js';
import { DeltaReader } from '../../src/payload/delta/reader.js';
import { DeltaWriter } from '../../src/payload/delta/writer.js';

/** Runs of which the fastest counts: the first ones compile. */
const RUNS = 5;

/** Weights coded in a run, about. */
const WEIGHTS = 2 ** 23;

/** Elements on which the coding is chosen, which is not timed. */
const SAMPLE = 2 ** 16;

/** Bytes of a call. */
const RUN_BYTES = 2 ** 19;

/** Weights a second of CPU time in one thread, in memory: of the coder alone, once its model is chosen. */
export interface Rates {
  readonly encode: number;
  /** In plain TypeScript, and in WebAssembly. */
  readonly decode: number;
  readonly fastDecode: number;
}

/** Times coding copies of the largest tensor of two models. */
export function measureRates(base: Model, next: Model): Rates {
  const [from, to] = [largestOf(base), largestOf(next)];
  const copies = Math.ceil(WEIGHTS / elementCount(from));
  const info = { name: 'copies', dtype: from.dtype, shape: [copies, ...from.shape] };
  const [before, after] = [from, to].map(({ bytes }) =>
    concatBytes(Array.from({ length: copies }, () => bytes)),
  ) as [Uint8Array, Uint8Array];
  const writer = { info, model: modelOf(from, to) };
  let record: Uint8Array = new Uint8Array();
  const encode = fastest(() => {
    const parts: Uint8Array[] = [];
    const written = new DeltaWriter([info], [writer], { sink: (bytes) => void parts.push(bytes.slice()) });
    for (const run of runsOf(info))
      written.write(info, { byteOffset: run.start, before: part(before, run), after: part(after, run) });
    record = concatBytes(parts);
  });
  const decode = (segments: SegmentDecoder): number =>
    fastest(() => {
      const reader = new DeltaReader(record, [info], segments);
      for (const run of runsOf(info))
        reader.read(info, (run.start * elementCount(info)) / before.length, part(before, run));
    });
  const weights = elementCount(info);
  return {
    encode: weights / encode,
    decode: weights / decode(new PlainSegmentDecoder()),
    fastDecode: weights / decode(createSegmentDecoder(compileDecoding())),
  };
}

function largestOf({ tensors }: Model): Tensor {
  return tensors.reduce((largest, tensor) => (byteLength(tensor) > byteLength(largest) ? tensor : largest));
}

function modelOf(from: Tensor, to: Tensor) {
  const [base, next] = [elementsOf(from, from.bytes), elementsOf(to, to.bytes)];
  const elements = Math.min(SAMPLE, base.words.length);
  const { form } = base;
  const head = (words: typeof base.words) => ({ words: words.subarray(0, elements), form });
  const pair = { base: head(base.words), next: head(next.words) };
  return chooseModel([{ pair, scope: { form, shape: from.shape, first: 0, elements } }]).model;
}

function* runsOf(info: TensorInfo): Generator<{ start: number; end: number }> {
  const total = byteLength(info);
  for (let start = 0; start < total; start += RUN_BYTES)
    yield { start, end: Math.min(start + RUN_BYTES, total) };
}

function part(bytes: Uint8Array, { start, end }: { start: number; end: number }): Uint8Array {
  return bytes.subarray(start, end);
}

/** @returns the least seconds of CPU time of a task */
function fastest(task: () => void): number {
  let least = Number.POSITIVE_INFINITY;
  for (let run = 0; run < RUNS; run++) {
    const before = process.cpuUsage();
    task();
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, (user + system) / 1e6);
  }
  return least;
}
