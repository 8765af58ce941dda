import { createPatcher } from '../../src/apply/fast/create-patcher.js';
import { planApply } from '../../src/apply/plan.js';
import { composePayloads } from '../../src/chain/compose-payloads.js';
import { NeuralDiffError } from '../../src/model/errors.js';
import { totalElements } from '../../src/model/tensor.js';
import { checkOutput, writeOutput } from '../../src/node/output.js';
import { readPayload } from '../../src/node/read-payload.js';
import { type CommonFlags, formatBytes, formatShare, type Io, printResult, remark } from '../io.js';
import { withModel } from '../with-model.js';

/** Flags of `neural-diff compose`. */
export interface ComposeFlags extends CommonFlags {
  readonly payloads: readonly string[];
  readonly base: string;
  readonly out: string;
  readonly force: boolean;
  readonly dryRun: boolean;
}

/** Makes one payload of payloads in a row, and tries it on the base before it is written. */
export async function runCompose(flags: ComposeFlags, io: Io): Promise<void> {
  const { out, force, dryRun } = flags;
  await checkOutput(out, { force });
  const parts: Uint8Array[] = [];
  for (const path of flags.payloads) parts.push(await readPayload(path));
  const { payload, base, next, partBytes, share } = await withModel({ path: flags.base }, async (store) => {
    const composed = await composePayloads(parts, { tensors: store.tensors });
    const options = { signal: io.signal, patcher: createPatcher() };
    const { problem, found } = await planApply(store, composed.payload, options);
    if (problem) throw problem;
    checkFound(composed.base, found);
    return { ...composed, share: composed.payload.length / (4 * totalElements(store.tensors)) };
  });
  if (!dryRun) await writeOutput(out, payload, { force });
  const sum = partBytes.reduce((total, bytes) => total + bytes, 0);
  const json = { out, payloadBytes: payload.length, partBytes, share, base, next, ...(dryRun && { dryRun }) };
  const saved = sum - payload.length;
  const lines = [
    `parts     ${partBytes.length} payloads, ${sum} bytes`,
    `composed  ${payload.length} bytes, ${Math.abs(saved)} ${saved < 0 ? 'more' : 'less'}; ${formatShare(share)} of the float32 model`,
    `base      ${base}`,
    `next      ${next}`,
  ];
  printResult(io, flags, { json, lines });
  remark(io, flags, `${dryRun ? 'would write' : 'wrote'} ${out}: ${formatBytes(payload.length)}`);
}

/** A model that is the next one already says nothing of what the payload does to its base. */
function checkFound(expected: string, found: string): void {
  if (found === expected) return;
  const message = `Cannot try the payload: expected a base with fingerprint ${expected}, got ${found}`;
  throw new NeuralDiffError('wrong-base', message, { facts: { expected, found } });
}
