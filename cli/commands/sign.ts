import { checkOutput, writeOutput } from '../../src/node/output.js';
import { RELEASE_ENDING, signRelease } from '../../src/publish/prove-release.js';
import type { ReleaseStatement } from '../../src/release/statement.js';
import { UsageError } from '../exit-codes.js';
import { type CommonFlags, formatBytes, type Io, printResult, remark } from '../io.js';
import { type DraftFlags, readSigners, withDraft } from '../release-flags.js';

/** Flags of `neural-diff sign`. */
export interface SignFlags extends CommonFlags, DraftFlags {
  readonly payload: string;
  readonly key: readonly string[];
  readonly out?: string;
  readonly force: boolean;
  readonly dryRun: boolean;
}

/** Applies a payload to its base, without writing, and signs what comes of it. */
export async function runSign(flags: SignFlags, io: Io): Promise<void> {
  const { payload, force, dryRun, out = `${payload}${RELEASE_ENDING}` } = flags;
  if (flags.key.length === 0) throw new UsageError('Expected --key, a private key');
  await checkOutput(out, { force });
  const signers = await readSigners(flags.key);
  const { statement, file } = await withDraft(payload, flags, (draft) => signRelease(draft, signers));
  io.signal.throwIfAborted();
  if (!dryRun) await writeOutput(out, file, { force });
  const keyids = signers.map(({ keyid }) => keyid);
  printResult(io, flags, {
    json: { out, keyids, release: statement, ...(dryRun && { dryRun }) },
    lines: [...describeRelease(statement), ...keyids.map((keyid) => `key      ${keyid}`)],
  });
  remark(io, flags, `${dryRun ? 'would write' : 'wrote'} ${out}: ${formatBytes(file.length)}`);
}

/** @returns a release in words */
export function describeRelease(release: ReleaseStatement): string[] {
  const { kind, name, bytes, base, next, counter, expires, deviceClasses, metrics } = release;
  return [
    `release  ${name}: ${kind}, ${formatBytes(bytes)}`,
    ...(base === undefined ? [] : [`base     ${base}`]),
    `next     ${next}`,
    `counter  ${counter}`,
    `expires  ${expires.toISOString()}`,
    ...(deviceClasses ? [`devices  ${deviceClasses.join(', ')}`] : []),
    ...Object.entries(metrics).map(([metric, value]) => `metric   ${metric} ${value}`),
  ];
}
