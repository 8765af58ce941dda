import { reversePayload } from '../../src/chain/reverse-payload.js';
import { copyModel } from '../../src/model/store.js';
import { totalBytes } from '../../src/model/tensor.js';
import { checkOutput, writeOutput } from '../../src/node/output.js';
import { readPayload } from '../../src/node/read-payload.js';
import { type CommonFlags, formatBytes, formatShare, type Io, printResult, remark } from '../io.js';
import { withModel } from '../with-model.js';

/** Flags of `neural-diff reverse`. */
export interface ReverseFlags extends CommonFlags {
  readonly payload: string;
  readonly base: string;
  readonly out: string;
  readonly force: boolean;
  readonly dryRun: boolean;
}

const WAYS = {
  negated: 'the ops with opposite signs, then exact ops',
  exact: 'exact ops alone',
} as const;

/** Makes the payload that takes a payload back. */
export async function runReverse(flags: ReverseFlags, io: Io): Promise<void> {
  const { out, force, dryRun } = flags;
  await checkOutput(out, { force });
  const forward = await readPayload(flags.payload);
  const model = await withModel({ path: flags.base }, copyModel);
  io.signal.throwIfAborted();
  const { payload, base, next, way, exactWeights } = await reversePayload(forward, model);
  io.signal.throwIfAborted();
  if (!dryRun) await writeOutput(out, payload, { force });
  const [payloadBytes, forwardBytes, modelBytes] = [
    payload.length,
    forward.length,
    totalBytes(model.tensors),
  ];
  const json = { out, payloadBytes, forwardBytes, modelBytes, way, exactWeights, base, next };
  const lines = [
    `back     ${payloadBytes} bytes, ${formatShare(payloadBytes / modelBytes)} of the model`,
    `forward  ${forwardBytes} bytes`,
    `model    ${modelBytes} bytes`,
    `way      ${WAYS[way]} for ${exactWeights} weights`,
    `base     ${base}`,
    `next     ${next}`,
  ];
  printResult(io, flags, { json: { ...json, ...(dryRun && { dryRun }) }, lines });
  remark(io, flags, `${dryRun ? 'would write' : 'wrote'} ${out}: ${formatBytes(payloadBytes)}`);
}
