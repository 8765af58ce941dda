import { concatBytes } from '../src/model/bytes.js';
import { NeuralDiffError } from '../src/model/errors.js';
import { type Model, type Tensor, type TensorInfo, wordsOf } from '../src/model/tensor.js';
import { formOf } from '../src/payload/delta/elements.js';
import { packNumber } from '../src/payload/delta/encoder.js';
import { codeHead, type HeadToCode, type SegmentScope } from '../src/payload/delta/head.js';
import type { TensorModel } from '../src/payload/delta/models.js';
import { DeltaWriter } from '../src/payload/delta/writer.js';
import { RangeEncoder } from '../src/payload/range-encoder.js';
import { codeTensors } from '../src/payload/record-head.js';

/** A tensor of a delta record: its elements in the next model, and how they are coded. */
export interface DeltaTarget {
  readonly tensor: string;
  readonly bytes: Uint8Array;
  readonly model: TensorModel;
}

/**
 * Writes a delta record as the package does.
 *
 * @param base tensors in canonical order
 * @param targets in canonical order
 */
export function encodeDelta(base: Model, targets: readonly DeltaTarget[]): Uint8Array {
  const byName = new Map(base.tensors.map((tensor) => [tensor.name, tensor]));
  const infoOf = (name: string): TensorInfo => wordsOf(byName.get(name) as Tensor);
  const parts: Uint8Array[] = [];
  const tensors = targets.map(({ tensor, model }) => ({ info: infoOf(tensor), model }));
  const writer = new DeltaWriter(base.tensors.map(wordsOf), tensors, {
    sink: (bytes) => parts.push(bytes.slice()),
  });
  for (const { tensor, bytes } of targets) {
    const before = (byName.get(tensor) as Tensor).bytes;
    writer.write(infoOf(tensor), { byteOffset: 0, before, after: bytes });
  }
  return concatBytes(parts);
}

/** A token in a context, and its raw bits. */
export interface ForgedToken {
  readonly token: number;
  readonly context?: number;
  readonly raw?: number;
}

/** What a segment consists of, behind its three lengths. */
export interface SegmentParts {
  readonly head: Uint8Array;
  /** Eight numbers of 32 bits. */
  readonly states: Uint8Array;
  readonly halves: Uint8Array;
  readonly raw: Uint8Array;
}

/** @returns what a reader of a segment of one tensor knows before the head */
export function scopeOf(info: TensorInfo, isAlone = true): SegmentScope {
  const { shape } = wordsOf(info);
  const elements = shape.reduce((product, size) => product * size, 1);
  return { form: formOf(info), first: 0, elements, ...(isAlone && { shape }) };
}

/** Weights of a context: those given, by token, and 0. */
export function weights(given: Readonly<Record<number, number>>): Uint16Array {
  const all = new Uint16Array(256);
  for (const [token, weight] of Object.entries(given)) all[Number(token)] = weight;
  return all;
}

/** A head of differences, in one context in which nothing changes, but for some fields. */
export function headWith(fields: Partial<HeadToCode> = {}): HeadToCode {
  const plain = { dropped: 0, isNew: false, isBased: false, top: 0, origin: 0, precision: 3 };
  return { ...plain, weights: [weights({ 0: 1 })], ...fields };
}

/** Writes a head up to what the coder's own checks refuse. */
export function forgeHead(scope: SegmentScope, head: HeadToCode): Uint8Array {
  const encoder = new RangeEncoder();
  try {
    codeHead(encoder, scope, head);
  } catch (error) {
    if (!(error instanceof NeuralDiffError)) throw error;
  }
  return encoder.finish();
}

/**
 * Writes a segment of any tokens.
 *
 * @param elements `undefined` for elements of kept rows and columns
 */
export function forgeSegment(
  scope: SegmentScope,
  head: HeadToCode,
  elements: readonly (ForgedToken | undefined)[],
): SegmentParts {
  const { contexts, tokens } = codeHead(new RangeEncoder(), scope, head);
  const bits = elements.flatMap((element) => {
    const width = element ? (tokens.bits[element.token] as number) : 0;
    return Array.from({ length: width }, (_, i) => Math.floor((element?.raw ?? 0) / 2 ** i) % 2);
  });
  const raw = new Uint8Array(Math.ceil(bits.length / 8));
  bits.forEach((bit, i) => {
    raw[i >> 3] = (raw[i >> 3] as number) | (bit << (i & 7));
  });
  return { head: forgeHead(scope, head), ...encodeTokens(contexts, elements), raw };
}

/** Encodes tokens from the last to the first, in plain arithmetic. */
function encodeTokens(
  contexts: readonly Uint16Array[],
  elements: readonly (ForgedToken | undefined)[],
): Pick<SegmentParts, 'states' | 'halves'> {
  const states = new Uint32Array(8).fill(2 ** 15);
  const halves: number[] = [];
  for (let i = elements.length - 1; i >= 0; i--) {
    const element = elements[i];
    if (element === undefined) continue;
    const frequencies = contexts[element.context ?? 0] as Uint16Array;
    const frequency = frequencies[element.token] as number;
    const begin = frequencies.subarray(0, element.token).reduce((sum, each) => sum + each, 0);
    let state = states[i % 8] as number;
    if (state >= frequency * 2 ** 19) {
      halves.unshift(state % 2 ** 16);
      state = Math.floor(state / 2 ** 16);
    }
    states[i % 8] = Math.floor(state / frequency) * 2 ** 12 + (state % frequency) + begin;
  }
  return { states: new Uint8Array(states.buffer), halves: new Uint8Array(Uint16Array.from(halves).buffer) };
}

/** @returns a segment; `words` and `bytes` in place of the right lengths */
export function joinSegment(
  { head, states, halves, raw }: SegmentParts,
  { words = halves.length / 2, bytes = raw.length } = {},
): Uint8Array {
  const lengths = [head.length, words, bytes].map(packNumber);
  return concatBytes([...lengths, head, states, halves, raw]);
}

/** @returns the coded names of a record's tensors; none for no name */
export function forgeNames(infos: readonly TensorInfo[], ...names: string[]): Uint8Array {
  const encoder = new RangeEncoder();
  try {
    codeTensors(encoder, infos.map(wordsOf), new Set(names));
  } catch (error) {
    if (!(error instanceof NeuralDiffError)) throw error;
  }
  return encoder.finish();
}

/** @returns a record of names and segments */
export function joinRecord(names: Uint8Array, ...segments: readonly Uint8Array[]): Uint8Array {
  return concatBytes([packNumber(names.length), names, ...segments]);
}
