import { diffModels, exactOps } from '../exact-diff/diff-stores.js';
import { NeuralDiffError } from '../model/errors.js';
import { fingerprint } from '../model/fingerprint.js';
import { openMemoryStore } from '../model/store.js';
import type { Model, Tensor } from '../model/tensor.js';
import { decodePayload } from '../payload/decode.js';
import { isSet, type Meta, type Op } from '../payload/diff.js';
import { packDiff } from '../payload/encode.js';
import { wrapDifference } from '../payload/ordered-bits.js';
import { patchModel } from '../payload/patch.js';

/** A payload that reverts an update. */
export interface ReversePayload {
  readonly payload: Uint8Array;
  /**
   * Fingerprints, as hexadecimal strings: the model that the original payload leads to, and the one it starts
   * from.
   */
  readonly base: string;
  readonly next: string;
  /**
   * `negated`: the ops with opposite signs, then an exact op that corrects rounding; `exact`: a lossless
   * diff.
   */
  readonly way: 'negated' | 'exact';
  /** Weights that the corrections or the lossless diff change. */
  readonly exactWeights: number;
}

/**
 * Makes the payload that reverts another payload: it turns the result back into the base, bit for bit.
 * Negated ops alone cannot do that for floats, since each addition rounds, so exact ops correct the rest. The
 * smaller of two candidates is used.
 *
 * @param payload the payload file
 * @param base the model that the payload is for
 * @param meta metadata of the reverse payload; empty by default
 * @returns the payload, verified on the result
 * @throws NeuralDiffError `wrong-layout`, `wrong-base`, `result-mismatch`, the payload's own codes
 *
 * @example
 * const base = await copyModel(await openModel('models/v1'));
 * const { payload } = await reversePayload(await readPayload('v2.ndiff'), base);
 * writeFileSync('v2-v1.ndiff', payload);
 */
export async function reversePayload(
  payload: Uint8Array,
  base: Model,
  meta: Meta = {},
): Promise<ReversePayload> {
  const { header, diff } = await decodePayload(payload, base.tensors);
  await expectModel(base, header.base, 'wrong-base');
  const next = patchModel(base, diff);
  await expectModel(next, header.next, 'result-mismatch');
  const negated = [...diff.ops].reverse().map((op) => negate(op, base));
  const fixes = exactOps(patchModel(next, { ops: negated }), base);
  const packed = await packDiff(next, { ops: [...negated, ...fixes] }, meta).catch(unlessBeyondLimit);
  const { changedTensors, changedWeights, ...exact } = await diffModels(next, base, meta);
  if (packed === undefined || exact.payload.length <= packed.payload.length)
    return { ...exact, way: 'exact', exactWeights: changedWeights };
  const { model, ...best } = packed;
  await expectModel(model, header.base, 'result-mismatch');
  return { ...best, way: 'negated', exactWeights: fixes.reduce((sum, op) => sum + op.positions.length, 0) };
}

/** Negated ops and their corrections may be more than a payload can have; exact ops alone never are. */
function unlessBeyondLimit(error: unknown): undefined {
  if ((error as Partial<NeuralDiffError>).code !== 'limit-exceeded') throw error;
}

async function expectModel(
  model: Model,
  expected: string,
  code: 'wrong-base' | 'result-mismatch',
): Promise<void> {
  const found = await fingerprint(openMemoryStore(model));
  if (found === expected) return;
  const facts = { expected, found };
  const message = `Cannot reverse payload: expected a model with fingerprint ${facts.expected}, got ${facts.found}`;
  throw new NeuralDiffError(code, message, { facts });
}

/** Levels and buckets have a symmetric range; differences of exact ops wrap around. */
function negate(op: Op, base: Model): Op {
  if (op.kind === 'sparse') return { ...op, levels: op.levels.map((level) => -level) };
  if (op.kind === 'dense') return { ...op, levels: op.levels.map((level) => -level) };
  if (isSet(op))
    return { ...op, bytes: (base.tensors.find(({ name }) => name === op.tensor) as Tensor).bytes };
  if (op.kind === 'exact') {
    const info = base.tensors.find(({ name }) => name === op.tensor) as Tensor;
    return { ...op, levels: op.levels.map((level) => wrapDifference(info, -level)) };
  }
  if (op.kind === 'low-rank') return { ...op, rows: op.rows.map((level) => -level) };
  const { coding, values } = op.buckets;
  const buckets =
    coding === 'float'
      ? { coding, values: values.map((value) => -value) }
      : { coding, values: values.map((value) => -value) };
  return { ...op, buckets };
}
