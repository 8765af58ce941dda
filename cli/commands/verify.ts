import { createPatcher } from '../../src/apply/fast/create-patcher.js';
import { type ApplyPlan, planApply } from '../../src/apply/plan.js';
import { NeuralDiffError } from '../../src/model/errors.js';
import type { ByteSource } from '../../src/payload/byte-source.js';
import { verifyModelFiles } from '../../src/publish/model-signature.js';
import { checkPayload } from '../../src/release/check-payload.js';
import { checkRelease } from '../../src/release/find-releases.js';
import type { ReleaseStatement } from '../../src/release/statement.js';
import { verifyRelease } from '../../src/release/verify-release.js';
import { type CommonFlags, defineCommand, type Flags, type FlagsOf } from '../command.js';
import { UsageError } from '../exit-codes.js';
import { MODEL, PROGRESS } from '../flags.js';
import { remarkInterrupted } from '../interrupted.js';
import { describePlan, type Io, printResult } from '../io.js';
import { readSmall, readText, withModel, withPayload } from '../open.js';
import { byteProgress } from '../progress.js';
import { describeRelease, readPublicKeys } from '../release-draft.js';

const RELEASE_FLAGS = {
  progress: PROGRESS,
  release: { type: 'string', placeholder: 'file', description: 'Signed release that the payload must match' },
  key: {
    type: 'string',
    placeholder: 'file',
    isRepeated: true,
    description: 'With --release: public key; may be repeated; with --oms, one key in PEM',
  },
  threshold: {
    type: 'number',
    placeholder: 'n',
    default: 1,
    description: 'With --release: number of keys that must have signed',
  },
  counter: {
    type: 'number',
    placeholder: 'n',
    default: 0,
    description: 'With --release: counter of the release that the device has',
  },
  deviceClass: { type: 'string', placeholder: 'class', description: 'With --release: class of the device' },
  oms: {
    type: 'string',
    placeholder: 'file',
    description: 'Instead of a payload: OpenSSF Model Signing bundle that covers the model',
  },
} as const satisfies Flags;

export const command = defineCommand({
  group: 'Apply a diff',
  summary: 'Check that a payload fits a model, or who signed the model, without writing anything',
  details: ['With --release and --key, also checks that the payload is the one that was signed.'],
  args: { model: MODEL, payload: { type: 'string', description: 'Payload file; not with --oms' } },
  flags: RELEASE_FLAGS,
  examples: [
    { description: 'Check a payload before it is applied', run: 'verify models/v1 v2.ndiff' },
    {
      description: 'Check its signature as well',
      run: 'verify models/v1 v2.ndiff --release v2.ndiff.release.json --key keys/targets.pub.json',
    },
    {
      description: 'Check the files of a model',
      run: 'verify models/v2 --oms models/v2.sig --key oms.pub.pem',
    },
  ],
  exits: {
    wrongBase: 'The payload is for another model',
    refused: 'Too few signatures, or an older release than the device has',
    corruptPayload: 'The payload is damaged',
  },
  async handle(flags, io) {
    if (flags.oms !== undefined) return verifyModel({ ...flags, oms: flags.oms }, io);
    const { payload: path } = flags;
    if (path === undefined) throw new UsageError('Expected a payload, or --oms');
    const interrupted = await remarkInterrupted(flags.model, flags, io);
    const progress = byteProgress(io, flags);
    const options = { signal: io.signal, patcher: createPatcher(), onProgress: progress.report };
    const release = await openRelease(flags);
    const plan = await withPayload(path, async (payload) => {
      // Nothing of a payload is parsed before it is known to be the one that was signed.
      if (release) await checkPayload(piecesOf(payload), release);
      return withModel({ path: flags.model }, (store) => planApply(store, payload, options));
    }).finally(() => progress.finish());
    if (release) checkPromise(plan, release);
    if (plan.problem) throw plan.problem;
    const lines = [...(release ? describeRelease(release) : []), ...describePlan(plan)];
    printResult(io, flags, { json: { ...plan, ...(release && { release }), ...interrupted }, lines });
  },
});

async function verifyModel(
  flags: CommonFlags & { readonly model: string; readonly oms: string; readonly key: readonly string[] },
  io: Io,
): Promise<void> {
  const { model, oms: bundle } = flags;
  const [path, ...others] = flags.key;
  if (path === undefined || others.length > 0) throw new UsageError('Expected one --key with --oms');
  const [key, bytes] = await Promise.all([readSmall(path), readText(bundle)]);
  const { files } = await verifyModelFiles(model, { key, bundle, bytes: new TextEncoder().encode(bytes) });
  printResult(io, flags, {
    json: { model, bundle, files },
    lines: [`signed   ${files} ${files === 1 ? 'file' : 'files'} of ${model}, as ${bundle} says`],
  });
}

async function openRelease(flags: FlagsOf<typeof RELEASE_FLAGS>): Promise<ReleaseStatement | undefined> {
  const { release, key, threshold, counter, deviceClass } = flags;
  if (release === undefined && key.length === 0) return undefined;
  if (release === undefined || key.length === 0)
    throw new UsageError('Expected --release and --key together');
  const keys = await readPublicKeys(key);
  const now = () => new Date();
  const statement = await verifyRelease(await readSmall(release), { keys, threshold, now });
  checkRelease(statement, { counter, ...(deviceClass !== undefined && { deviceClass }) }, now());
  return statement;
}

function* piecesOf(payload: ByteSource): Generator<Uint8Array> {
  for (let at = 0; at < payload.length; ) {
    const piece = payload.borrow(at);
    yield piece;
    at += piece.length;
  }
}

/** The models in a payload's header must be those of its release. */
function checkPromise({ base, next }: ApplyPlan, release: ReleaseStatement): void {
  if (base === release.base && next === release.next) return;
  const message = `Cannot use release "${release.name}": its payload is for models that it does not name`;
  throw new NeuralDiffError('metadata-mismatch', message, { facts: { expected: release.next, found: next } });
}
