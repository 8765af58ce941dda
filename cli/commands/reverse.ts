import { reversePayload } from '../../src/chain/reverse-payload.js';
import { copyModel } from '../../src/model/store.js';
import { totalBytes } from '../../src/model/tensor.js';
import { checkOutput, writeOutput } from '../../src/node/output.js';
import { readPayload } from '../../src/node/read-payload.js';
import { defineCommand } from '../command.js';
import { outputFlags, PAYLOAD } from '../flags.js';
import { countOf, formatShare, printResult, remarkWritten } from '../io.js';
import { withModel } from '../open.js';

export const command = defineCommand({
  group: 'Work with several diffs',
  summary: 'Make a payload that reverts another one',
  details: ['Applied to the result of the payload, it restores the base, bit for bit.'],
  args: { payload: PAYLOAD },
  flags: {
    base: {
      type: 'string',
      placeholder: 'model',
      isRequired: true,
      description: 'Model that the payload is for',
    },
    ...outputFlags('file', 'Payload file to write; - for stdout'),
  },
  examples: [{ description: 'Revert v2 to v1', run: 'reverse v2.ndiff --base models/v1 -o v2-v1.ndiff' }],
  exits: { wrongBase: 'The payload is for a model other than --base' },
  async handle(flags, io) {
    const { out, force, dryRun } = flags;
    await checkOutput(out, { force });
    const forward = await readPayload(flags.payload);
    const model = await withModel({ path: flags.base }, copyModel);
    io.signal.throwIfAborted();
    const { payload, base, next, way, exactWeights } = await reversePayload(forward, model);
    io.signal.throwIfAborted();
    if (!dryRun) await writeOutput(out, payload, { force });
    const [payloadBytes, forwardBytes] = [payload.length, forward.length];
    const modelBytes = totalBytes(model.tensors);
    const json = { out, payloadBytes, forwardBytes, modelBytes, way, exactWeights, base, next };
    const lines = [
      `back     ${payloadBytes} bytes, ${formatShare(payloadBytes / modelBytes)} of the model`,
      `forward  ${forwardBytes} bytes`,
      `model    ${modelBytes} bytes`,
      `way      ${WAYS[way]} for ${countOf(exactWeights, 'weight')}`,
      `base     ${base}`,
      `next     ${next}`,
    ];
    printResult(io, flags, { json: { ...json, ...(dryRun && { dryRun }) }, lines });
    remarkWritten(io, flags, { out, bytes: payloadBytes });
  },
});

const WAYS = {
  negated: 'the ops with opposite signs, then exact ops',
  exact: 'exact ops alone',
} as const;
