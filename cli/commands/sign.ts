import { checkOutput, writeOutput } from '../../src/node/output.js';
import { RELEASE_ENDING, signRelease } from '../../src/publish/prove-release.js';
import { defineCommand } from '../command.js';
import { DRAFT_FLAGS, optionalOutputFlags } from '../flags.js';
import { printResult, remarkWritten } from '../io.js';
import { describeRelease, readSigners, withDraft } from '../release-draft.js';

export const command = defineCommand({
  group: 'Publish releases',
  summary: 'Sign a payload or a whole model as a release file',
  details: [
    'Applies the payload to its base in memory first, and signs what the result is. --counter is ' +
      'required: devices refuse releases with a lower counter than theirs.',
  ],
  args: {
    payload: { type: 'string', isRequired: true, description: 'Payload file, or a whole model in one file' },
  },
  flags: {
    ...DRAFT_FLAGS,
    ...optionalOutputFlags('file', 'Release to write; default: PAYLOAD.release.json'),
    key: {
      type: 'string',
      placeholder: 'file',
      isRequired: true,
      isRepeated: true,
      description: 'Private key; may be repeated',
    },
  },
  examples: [
    {
      description: 'Sign a payload',
      run: 'sign v2.ndiff --base models/v1 --key keys/targets.key.json --counter 2',
    },
    { description: 'Sign a whole model', run: 'sign v2.safetensors --key keys/targets.key.json --counter 2' },
  ],
  exits: { wrongBase: 'The payload is for another model than --base' },
  async handle(flags, io) {
    const { payload, force, dryRun, out = `${payload}${RELEASE_ENDING}` } = flags;
    await checkOutput(out, { force });
    const signers = await readSigners(flags.key);
    const { statement, file } = await withDraft({ path: payload }, flags, (draft) =>
      signRelease(draft, signers),
    );
    io.signal.throwIfAborted();
    if (!dryRun) await writeOutput(out, file, { force });
    const keyids = signers.map(({ keyid }) => keyid);
    printResult(io, flags, {
      json: { out, keyids, release: statement, ...(dryRun && { dryRun }) },
      lines: [...describeRelease(statement), ...keyids.map((keyid) => `key      ${keyid}`)],
    });
    remarkWritten(io, flags, { out, bytes: file.length });
  },
});
