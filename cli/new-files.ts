import { type ApplyResult, applyPayload } from '../src/apply/apply-payload.js';
import { openFrame } from '../src/apply/new-files.js';
import { type ApplyOptions, type ApplyPlan, planApply } from '../src/apply/plan.js';
import { createSha256, type FilesModel, openFilesModel, writeNewFiles } from '../src/node/files-model.js';
import type { ByteSource } from '../src/payload/byte-source.js';
import { type FilesFacts, readMadeFiles } from '../src/payload/files-record.js';
import type { OpenPayload } from '../src/payload/open-payload.js';
import { countOf, formatBytes } from './io.js';

/** A payload that makes new files, and the model that it is for. */
interface FilesJob {
  /** Path of the base. */
  readonly base: string;
  readonly payload: ByteSource;
  readonly opened: OpenPayload;
}

/** Opens the base of a payload of files, with its other files; closes it whatever happens. */
async function withBase<T>({ base, opened }: FilesJob, use: (model: FilesModel) => Promise<T>): Promise<T> {
  const model = await openFilesModel(base, opened.header.layout);
  try {
    return await use(model);
  } finally {
    await model.store.close();
  }
}

/** Checks what a payload of files would make. @throws NeuralDiffError if it does not fit */
export async function planNewFiles(job: FilesJob, options: ApplyOptions): Promise<ApplyPlan> {
  return withBase(job, async ({ store }) => {
    const plan = await planApply(store, job.payload, { ...options, createSha256 });
    if (plan.problem) throw plan.problem;
    return plan;
  });
}

/**
 * Writes the new files of a payload to another path, or copies a model that has them already.
 *
 * @throws NeuralDiffError if the payload does not fit; those of `writeNewFiles`
 */
export async function applyNewFiles(
  job: FilesJob,
  { out, force }: { readonly out: string; readonly force: boolean },
  options: ApplyOptions,
): Promise<ApplyResult> {
  const { status, files } = await planNewFiles(job, options);
  return withBase(job, async (model) => {
    const own = (await model.store.parts?.())?.paths ?? [];
    const count = status === 'current' ? own.length : files?.made.length;
    const isFile = count === 1 && model.others.length === 0;
    const kept = status === 'current' ? [...own, ...model.others] : model.others;
    return writeNewFiles({ ...model, others: kept }, { to: out, force, isFile }, (store) =>
      applyPayload(store, job.payload, { ...options, createSha256 }),
    );
  });
}

/** What a payload of files makes; without the base only the files are known. */
type MadeFiles = { readonly filesBytes: number } & (Pick<FilesFacts, 'made'> | FilesFacts);

async function readMade(payload: OpenPayload, base: string | undefined): Promise<MadeFiles> {
  const filesBytes = (payload.files as ByteSource).length;
  if (base === undefined) return { filesBytes, made: readMadeFiles(payload.files as ByteSource) };
  const { store } = await openFilesModel(base, payload.header.layout);
  try {
    return { filesBytes, ...(await openFrame(store, payload)).facts };
  } finally {
    await store.close();
  }
}

function linesOf(files: MadeFiles): string[] {
  const made = files.made.map(
    (file) => `file         ${file.path}: ${file.bytes} bytes, sha256 ${file.sha256}`,
  );
  const head = [`record       files  ${formatBytes(files.filesBytes)}`, ...made];
  if (!('kept' in files)) return head;
  const against = files.usesBaseFiles ? ', coded against those of the base' : '';
  const counts = (['kept', 'coded', 'new'] as const).map((kind) => {
    const { tensors, bytes } = files[kind];
    return `${kind.padEnd(13)}${countOf(tensors, 'tensor')}, ${formatBytes(bytes)}`;
  });
  return [
    ...head,
    `structure    ${formatBytes(files.structureBytes)} outside of tensors${against}`,
    ...counts,
  ];
}

/**
 * Describes the files that a payload makes.
 *
 * @param base path of its base; without it only the files are known
 * @returns facts for programs, and lines for people
 */
export async function describeMade(
  payload: OpenPayload,
  base: string | undefined,
): Promise<{ facts: MadeFiles; lines: readonly string[] }> {
  const facts = await readMade(payload, base);
  return { facts, lines: linesOf(facts) };
}
