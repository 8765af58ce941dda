import { checkOutput, writeOutput } from '../../src/node/output.js';
import { signModelFiles } from '../../src/publish/model-signature.js';
import { RELEASE_ENDING, signRelease } from '../../src/publish/prove-release.js';
import { type CommonFlags, defineCommand } from '../command.js';
import { UsageError } from '../exit-codes.js';
import { DRAFT_FLAGS, optionalOutputFlags } from '../flags.js';
import { type Io, printResult, remarkWritten } from '../io.js';
import { readSmall } from '../open.js';
import { describeRelease, readSigners, withDraft } from '../release-draft.js';

export const command = defineCommand({
  group: 'Publish releases',
  summary: 'Sign a payload or a whole model as a release file, or the files of a model',
  details: [
    'Applies the payload to its base in memory first, and signs the fingerprint of the result. --counter ' +
      'is required: devices refuse releases with a lower counter than theirs. With --oms, signs all files ' +
      'of a model, such as an updated one, with OpenSSF Model Signing; verify --oms and other verifiers ' +
      'can check them.',
  ],
  args: {
    payload: {
      type: 'string',
      isRequired: true,
      description: 'Payload file, or a whole model in one file; with --oms, a model',
    },
  },
  flags: {
    ...DRAFT_FLAGS,
    ...optionalOutputFlags('file', 'File to write; default: PAYLOAD.release.json, with --oms PAYLOAD.sig'),
    key: {
      type: 'string',
      placeholder: 'file',
      isRequired: true,
      isRepeated: true,
      description: 'Private key; may be repeated; with --oms, one P-256, P-384 or P-521 key in PEM',
    },
    oms: { type: 'boolean', description: 'Sign the files of a model with OpenSSF Model Signing 1.0' },
  },
  examples: [
    {
      description: 'Sign a payload',
      run: 'sign v2.ndiff --base models/v1 --key keys/targets.key.json --counter 2',
    },
    { description: 'Sign a whole model', run: 'sign v2.safetensors --key keys/targets.key.json --counter 2' },
    {
      description: 'Sign the files of a model for other verifiers',
      run: 'sign models/v2 --oms --key oms.pem',
    },
  ],
  exits: { wrongBase: 'The payload is for a model other than --base' },
  async handle(flags, io) {
    if (flags.oms) return signModel(flags, io);
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

interface OmsFlags extends CommonFlags {
  readonly payload: string;
  readonly key: readonly string[];
  readonly out?: string | undefined;
  readonly force: boolean;
  readonly dryRun: boolean;
}

async function signModel(flags: OmsFlags, io: Io): Promise<void> {
  const { payload: model, force, dryRun, out = `${model.replace(/[/\\]+$/, '')}.sig` } = flags;
  const [path, ...others] = flags.key;
  if (path === undefined || others.length > 0) throw new UsageError('Expected one --key with --oms');
  await checkOutput(out, { force });
  const { bytes, files } = await signModelFiles(model, { key: await readSmall(path), bundle: out });
  io.signal.throwIfAborted();
  if (!dryRun) await writeOutput(out, bytes, { force });
  printResult(io, flags, {
    json: { out, files, ...(dryRun && { dryRun }) },
    lines: [`signed   ${files} ${files === 1 ? 'file' : 'files'} of ${model}`],
  });
  remarkWritten(io, flags, { out, bytes: bytes.length });
}
