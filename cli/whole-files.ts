import { diffFiles } from '../src/exact-diff/diff-files.js';
import { createDiffThreads } from '../src/exact-diff/threads/diff-threads.js';
import { NeuralDiffError } from '../src/model/errors.js';
import { compressedSize } from '../src/node/compressed.js';
import { createFileSpool } from '../src/node/file-spool.js';
import { type FilesModel, openFileBytes, openFilesModel } from '../src/node/files-model.js';
import { checkOutput, writeOutput } from '../src/node/output.js';
import { countOf, formatBytes, formatShare, type Io, printResult, remark, remarkWritten } from './io.js';
import { byteProgress, type ProgressFlags } from './progress.js';
import { checkWorkers, readShare, tooSmall } from './values.js';

/** Values of the flags of `diff` that a diff of files takes. */
interface FilesFlags extends ProgressFlags {
  readonly base: string;
  readonly next: string;
  readonly out: string;
  readonly force: boolean;
  readonly dryRun: boolean;
  readonly minSaving?: string;
  readonly workers?: number;
}

/** Diffs two models as files: the payload makes the files of the next one. */
export async function diffWholeFiles(flags: FilesFlags, io: Io): Promise<void> {
  const { out, force, workers, minSaving } = flags;
  checkWorkers(workers);
  const least = minSaving === undefined ? undefined : readShare('--min-saving', minSaving);
  await checkOutput(out, { force });
  const progress = byteProgress(io, flags);
  const coder = workers === 1 ? undefined : createDiffThreads({ count: workers });
  const open: FilesModel[] = [];
  const spool = createFileSpool(out);
  try {
    const [base, next] = [await openFilesModel(flags.base), await openFilesModel(flags.next)];
    open.push(base, next);
    for (const { main, problem } of open)
      if (problem) remark(io, flags, `"${main}" is compared as bytes: ${problem.message}`);
    const full = await compressedSize(await openFileBytes(next), io.signal);
    const options = { signal: io.signal, onProgress: progress.report, spool, coder };
    const diff = await diffFiles(base.store, { ...next, others: await changedOthers(base, next) }, options);
    const facts = { payloadBytes: diff.payloadBytes, fullBytes: full.bytes };
    const saving = 1 - facts.payloadBytes / full.bytes;
    if (least !== undefined && saving < least) throw tooSmall({ ...facts, saving, least });
    if (!flags.dryRun) await writeOutput(out, diff.pieces, { force });
    progress.finish();
    const { pieces: _, payloadBytes, ...found } = diff;
    const json = { out, ...facts, saving, fullBytesEstimated: full.isEstimate, ...found };
    const lines = describe(diff, { fullBytes: full.bytes, isEstimate: full.isEstimate, saving });
    printResult(io, flags, { json: { ...json, ...(flags.dryRun && { dryRun: true }) }, lines });
    remarkWritten(io, flags, { out, bytes: payloadBytes });
  } finally {
    progress.finish();
    await coder?.close();
    spool.close();
    for (const { store } of open) await store.close();
  }
}

/** Lists the other files of the next model that the base does not have as they are. */
async function changedOthers(base: FilesModel, next: FilesModel): Promise<string[]> {
  const changed: string[] = [];
  for (const name of next.others) {
    const isSame = base.others.includes(name) && (await hasSameBytes(base, next, name));
    if (!isSame) changed.push(name);
  }
  return changed;
}

async function hasSameBytes(base: FilesModel, next: FilesModel, name: string): Promise<boolean> {
  const size = await next.files.size(name);
  if ((await base.files.size(name)) !== size) return false;
  const [left, right] = [new Uint8Array(size), new Uint8Array(size)];
  await base.files.readInto(name, 0, left);
  await next.files.readInto(name, 0, right);
  return Buffer.compare(left, right) === 0;
}

function describe(
  diff: Awaited<ReturnType<typeof diffFiles>>,
  { fullBytes, isEstimate, saving }: { fullBytes: number; isEstimate: boolean; saving: number },
): string[] {
  const { files, payloadBytes } = diff;
  const bytes = files.made.reduce((sum, file) => sum + file.bytes, 0);
  const counts = (['kept', 'coded', 'new'] as const).map(
    (kind) =>
      `${kind.padEnd(11)}${countOf(files[kind].tensors, 'tensor')}, ${formatBytes(files[kind].bytes)}`,
  );
  return [
    ...files.made.map(({ path, bytes, sha256 }) => `file       ${path}: ${bytes} bytes, sha256 ${sha256}`),
    `diff       ${payloadBytes} bytes, ${formatShare(payloadBytes / Math.max(1, bytes))} of the files`,
    `full model ${bytes} bytes, ${isEstimate ? 'about ' : ''}${fullBytes} compressed`,
    `structure  ${files.structureBytes} bytes outside of tensors, in ${diff.structureCodedBytes}`,
    ...counts,
    `base       ${diff.base}`,
    `next       ${diff.next}`,
    saving > 0
      ? `ship the diff: it saves ${formatShare(saving)}`
      : 'ship the full model: the diff is no smaller',
  ];
}

/** @returns whether models that cannot be diffed by their tensors can be as files */
export function needsFiles(error: unknown, flags: { rename: boolean; cast: boolean }): boolean {
  if (!(error instanceof NeuralDiffError) || !flags.rename || flags.cast) return false;
  return ['wrong-layout', 'bad-model', 'unsupported-model', 'empty-model'].includes(error.code);
}
