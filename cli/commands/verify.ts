import { createPatcher } from '../../src/apply/fast/create-patcher.js';
import { type ApplyPlan, planApply } from '../../src/apply/plan.js';
import { NeuralDiffError } from '../../src/model/errors.js';
import type { ByteSource } from '../../src/payload/byte-source.js';
import { checkPayload } from '../../src/release/check-payload.js';
import { checkRelease } from '../../src/release/find-releases.js';
import type { ReleaseStatement } from '../../src/release/statement.js';
import { verifyRelease } from '../../src/release/verify-release.js';
import { defineCommand, type Flags, type FlagsOf } from '../command.js';
import { UsageError } from '../exit-codes.js';
import { MODEL, PAYLOAD, PROGRESS } from '../flags.js';
import { remarkInterrupted } from '../interrupted.js';
import { describePlan, printResult } from '../io.js';
import { readSmall, withModel, withPayload } from '../open.js';
import { byteProgress } from '../progress.js';
import { describeRelease, readPublicKeys } from '../release-draft.js';

const RELEASE_FLAGS = {
  progress: PROGRESS,
  release: { type: 'string', placeholder: 'file', description: 'Signed release that the payload must be' },
  key: {
    type: 'string',
    placeholder: 'file',
    isRepeated: true,
    description: 'With --release: public key; may be repeated',
  },
  threshold: {
    type: 'number',
    placeholder: 'n',
    default: 1,
    description: 'With --release: keys that must have signed',
  },
  counter: {
    type: 'number',
    placeholder: 'n',
    default: 0,
    description: 'With --release: counter of the release that the device has',
  },
  deviceClass: { type: 'string', placeholder: 'class', description: 'With --release: class of the device' },
} as const satisfies Flags;

export const command = defineCommand({
  group: 'Apply a diff',
  summary: 'Check that a payload fits a model; write nothing',
  details: ['With --release and --key, the payload must also be the one that was signed.'],
  args: { model: MODEL, payload: PAYLOAD },
  flags: RELEASE_FLAGS,
  examples: [
    { description: 'Check a payload before it is applied', run: 'verify models/v1 v2.ndiff' },
    {
      description: 'Check its signature, too',
      run: 'verify models/v1 v2.ndiff --release v2.ndiff.release.json --key keys/targets.pub.json',
    },
  ],
  exits: {
    wrongBase: 'The payload is for another model',
    refused: 'Too few signatures, or an older release than the device has',
    corruptPayload: 'The payload is damaged',
  },
  async handle(flags, io) {
    const interrupted = await remarkInterrupted(flags.model, flags, io);
    const progress = byteProgress(io, flags);
    const options = { signal: io.signal, patcher: createPatcher(), onProgress: progress.report };
    const release = await openRelease(flags);
    const plan = await withPayload(flags.payload, async (payload) => {
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
