import { diffModels } from '../../src/exact-diff/index.js';
import { copyModel, NeuralDiffError, totalBytes } from '../../src/index.js';
import { checkOutput, compressedBytes, writeOutput } from '../../src/node/index.js';
import { type CommonFlags, formatBytes, formatShare, type Io, printResult, remark } from '../io.js';
import { readShare } from '../share.js';
import { withModel } from '../with-model.js';

/** Flags of `neural-diff diff`. */
export interface DiffFlags extends CommonFlags {
  readonly base: string;
  readonly next: string;
  readonly out: string;
  readonly minSaving?: string;
  readonly force: boolean;
  readonly dryRun: boolean;
}

/** Packs what makes one model of another, bit for bit, and says whether that pays beside the compressed next model. */
export async function runDiff(flags: DiffFlags, io: Io): Promise<void> {
  const { out, force, dryRun } = flags;
  const least = flags.minSaving === undefined ? undefined : readShare('--min-saving', flags.minSaving);
  await checkOutput(out, { force });
  const base = await withModel({ path: flags.base }, copyModel);
  const next = await withModel({ path: flags.next }, copyModel);
  io.signal.throwIfAborted();
  const { payload, ...found } = await diffModels(base, next);
  io.signal.throwIfAborted();
  const fullBytes = await compressedBytes(next.tensors.map(({ bytes }) => bytes));
  io.signal.throwIfAborted();
  const saving = 1 - payload.length / fullBytes;
  if (least !== undefined && saving < least)
    throw tooSmall({ payloadBytes: payload.length, fullBytes, saving, least });
  if (!dryRun) await writeOutput(out, payload, { force });
  const modelBytes = totalBytes(base.tensors);
  const json = { out, payloadBytes: payload.length, modelBytes, fullBytes, saving, ...found };
  const lines = [
    `diff       ${payload.length} bytes, ${formatShare(payload.length / modelBytes)} of the model`,
    `full model ${modelBytes} bytes, ${fullBytes} compressed`,
    `changed    ${found.changedWeights} weights in ${found.changedTensors} of ${base.tensors.length} tensors`,
    `base       ${found.base}`,
    `next       ${found.next}`,
    saving > 0
      ? `ship the diff: it saves ${formatShare(saving)}`
      : 'ship the full model: the diff is no smaller',
  ];
  printResult(io, flags, { json: { ...json, ...(dryRun && { dryRun }) }, lines });
  remark(io, flags, `${dryRun ? 'would write' : 'wrote'} ${out}: ${formatBytes(payload.length)}`);
}

function tooSmall(facts: {
  payloadBytes: number;
  fullBytes: number;
  saving: number;
  least: number;
}): NeuralDiffError {
  const { payloadBytes, fullBytes, saving, least } = facts;
  const message = `Ship the full model: the diff takes ${payloadBytes} bytes, the compressed model ${fullBytes}; that saves ${formatShare(saving)}, not ${formatShare(least)}`;
  return new NeuralDiffError('saving-too-small', message, { facts });
}
