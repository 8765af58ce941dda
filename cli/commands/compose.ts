import { createPatcher } from '../../src/apply/fast/create-patcher.js';
import { planApply } from '../../src/apply/plan.js';
import { composePayloads } from '../../src/chain/compose-payloads.js';
import { NeuralDiffError } from '../../src/model/errors.js';
import { totalElements } from '../../src/model/tensor.js';
import { checkOutput, writeOutput } from '../../src/node/output.js';
import { readPayload } from '../../src/node/read-payload.js';
import { defineCommand } from '../command.js';
import { outputFlags } from '../flags.js';
import { countOf, formatShare, printResult, remarkWritten } from '../io.js';
import { tensorsForAll, withModel } from '../open.js';

export const command = defineCommand({
  group: 'Work with several diffs',
  summary: 'Combine consecutive payloads into one',
  details: ['Tries the combined payload on the base before writing it. The result is the same, bit for bit.'],
  args: {
    payloads: {
      type: 'string',
      isRequired: true,
      isRepeated: true,
      description: 'Payload files, each for the result of the previous one',
    },
  },
  flags: {
    base: {
      type: 'string',
      placeholder: 'model',
      isRequired: true,
      description: 'Model that the first payload is for',
    },
    ...outputFlags('file', 'Payload file to write; - for stdout'),
  },
  examples: [
    {
      description: 'Update devices from v1 to v3 in one step',
      run: 'compose v2.ndiff v3.ndiff --base models/v1 -o v1-v3.ndiff',
    },
  ],
  exits: { wrongBase: 'The payloads are not consecutive, or the first is for another model' },
  async handle(flags, io) {
    const { out, force, dryRun } = flags;
    await checkOutput(out, { force });
    const parts: Uint8Array[] = [];
    for (const path of flags.payloads) parts.push(await readPayload(path));
    const { payload, base, next, partBytes, share } = await withModel({ path: flags.base }, async (store) => {
      const composed = await composePayloads(parts, await tensorsForAll(parts, store));
      const options = { signal: io.signal, patcher: createPatcher() };
      const { problem, found } = await planApply(store, composed.payload, options);
      if (problem) throw problem;
      checkFound(composed.base, found);
      return { ...composed, share: composed.payload.length / (4 * totalElements(store.tensors)) };
    });
    if (!dryRun) await writeOutput(out, payload, { force });
    const payloadBytes = payload.length;
    const sum = partBytes.reduce((total, bytes) => total + bytes, 0);
    const json = { out, payloadBytes, partBytes, share, base, next, ...(dryRun && { dryRun }) };
    const saved = sum - payloadBytes;
    const change = `${Math.abs(saved)} ${saved < 0 ? 'more' : 'less'}`;
    const lines = [
      `parts     ${countOf(partBytes.length, 'payload')}, ${sum} bytes`,
      `composed  ${payloadBytes} bytes, ${change}; ${formatShare(share)} of the float32 model`,
      `base      ${base}`,
      `next      ${next}`,
    ];
    printResult(io, flags, { json, lines });
    remarkWritten(io, flags, { out, bytes: payloadBytes });
  },
});

/** A model that is the next one already does not show what the payload does to its base. */
function checkFound(expected: string, found: string): void {
  if (found === expected) return;
  const message = `Cannot try the payload: expected a base with fingerprint ${expected}, got ${found}`;
  throw new NeuralDiffError('wrong-base', message, { facts: { expected, found } });
}
