import { NeuralDiffError } from '../model/errors.js';
import { joinDigests, type Sha256, sha256, TensorDigest } from '../model/fingerprint.js';
import type { Progress } from '../model/progress.js';
import type { WeightStore } from '../model/store.js';
import { byteLength, checkNotEmpty, type TensorInfo, totalBytes } from '../model/tensor.js';
import type { Bytes } from '../payload/byte-source.js';
import { checkLayout } from '../payload/decode.js';
import type { Meta, Op } from '../payload/diff.js';
import type { FilesFacts } from '../payload/files-record.js';
import { type OpenPayload, openPayload } from '../payload/open-payload.js';
import type { Patcher } from '../payload/patch.js';
import { type Chunk, type ChunkOptions, changedRuns, eachChunk } from './chunks.js';

/** Options of `planApply` and `applyPayload`. */
export interface ApplyOptions {
  /** SHA-256 implementation; defaults to the runtime's, which browsers provide in secure contexts only. */
  readonly sha256?: (bytes: Uint8Array) => Promise<Uint8Array> | Uint8Array;
  /** Incremental SHA-256 for payloads of files; defaults to one in plain JavaScript. */
  readonly createSha256?: () => { add(piece: Uint8Array): void; finish(): Uint8Array };
  /** Cancels until the first write; later only if storage that can roll back has the signal too. */
  readonly signal?: AbortSignal;
  /**
   * Computes the patched weights; defaults to plain arithmetic. `neural-diff/fast-apply` has a faster one.
   */
  readonly patcher?: Patcher | undefined;
  /** Progress in bytes: `check` reads the base, `write` patches it, `verify` reads the result back. */
  readonly onProgress?: (progress: Progress<'check' | 'write' | 'verify'>) => void;
}

/** The effect of applying a payload to a model. */
export interface ApplyPlan {
  /**
   * `ready`: base and result match the payload; `current`: the model already is the next one; otherwise
   * `refused`.
   */
  readonly status: 'ready' | 'current' | 'refused';
  /** The reason for refusing the payload. */
  readonly problem?: NeuralDiffError;
  /** Fingerprints in hexadecimal digits: the payload's base and next model, and the model found. */
  readonly base: string;
  readonly next: string;
  /** Empty if the payload is for other tensors. */
  readonly found: string;
  readonly payloadBytes: number;
  readonly modelBytes: number;
  readonly bytesWritten: number;
  /** Runs of neighbouring bytes to write. */
  readonly runs: number;
  /** Touched tensors only, in canonical order. */
  readonly tensors: readonly {
    readonly name: string;
    /** The ops that touch it, in order. */
    readonly ops: readonly Op['kind'][];
    readonly bytesRead: number;
    readonly bytesWritten: number;
  }[];
  /**
   * Present for a payload that makes new files, which is never applied in place: the store needs `rewrite`.
   * It lists the files in order, and where their bytes come from; `tensors` is empty then. Absent for a model
   * that is the next one already.
   */
  readonly files?: FilesFacts;
  readonly meta: Meta;
}

/** What applying would do to one tensor. */
export type TensorPlan = ApplyPlan['tensors'][number];

/**
 * Computes the effect of applying a payload. Reads the model once, a chunk at a time; writes nothing.
 *
 * @param store the model
 * @param payload the payload file
 * @returns the plan; for a model that does not match, a plan with status `refused` instead of an exception
 * @throws NeuralDiffError `not-a-payload`, `unsupported-version`, `corrupt-payload`, `limit-exceeded` for the
 *   payload; any error of the store
 *
 * @example
 * const store = await openModel('models/v1');
 * const { status, problem, bytesWritten } = await planApply(store, await readPayload('v2.ndiff'));
 * if (status === 'refused') throw problem;
 * console.log(`${bytesWritten} bytes to write`);
 */
export async function planApply(
  store: WeightStore,
  payload: Bytes,
  options: ApplyOptions = {},
): Promise<ApplyPlan> {
  return planOpenPayload(store, await openPayload(payload), { ...options, payloadBytes: payload.length });
}

/** Same as `planApply`, for an open payload. */
export async function planOpenPayload(
  store: WeightStore,
  payload: OpenPayload,
  options: ApplyOptions & Pick<ChunkOptions, 'buffers'> & { payloadBytes: number },
): Promise<ApplyPlan> {
  const { header } = payload;
  const facts = {
    base: header.base,
    next: header.next,
    meta: header.meta,
    payloadBytes: options.payloadBytes,
    modelBytes: totalBytes(store.tensors),
  };
  const noChange = { found: '', bytesWritten: 0, runs: 0, tensors: [] };
  if (payload.files) return { ...facts, ...noChange, ...(await planNewFiles(store, payload, options)) };
  const mismatch = await checkTensors(payload, store.tensors).catch((error: NeuralDiffError) => error);
  if (mismatch) return { ...facts, ...noChange, status: 'refused', problem: mismatch };
  const dryRun = await runDry(store, payload, options);
  const { found, tensors } = dryRun;
  if (found === header.next) return { ...facts, ...noChange, found, status: 'current' };
  if (found === header.base && dryRun.fault !== undefined) throw dryRun.fault;
  const problem = checkDryRun(payload, dryRun) ?? checkWritable(dryRun, store);
  if (problem) return { ...facts, ...noChange, found, status: 'refused', problem };
  const bytesWritten = tensors.reduce((sum, tensor) => sum + tensor.bytesWritten, 0);
  const { runs } = dryRun;
  return { ...facts, found, status: 'ready', bytesWritten, runs, tensors };
}

/** The part of a plan that payloads of files have of their own. */
async function planNewFiles(
  store: WeightStore,
  payload: OpenPayload,
  options: ApplyOptions & Pick<ChunkOptions, 'buffers'>,
): Promise<Pick<ApplyPlan, 'status'> & Partial<ApplyPlan>> {
  const { onProgress, ...rest } = options;
  const report = ({ done, total }: Progress): void => onProgress?.({ phase: 'check', done, total });
  // Loaded where it is needed, as in `applyPayload`.
  const { planFiles } = await import('./new-files.js');
  try {
    const plan = await planFiles(store, payload, { ...rest, onProgress: report });
    const { files, ...found } = plan;
    if (files === undefined) return { ...found, status: 'current' };
    return { ...found, files, runs: files.made.length, status: 'ready' };
  } catch (error) {
    if (!(error instanceof NeuralDiffError && REFUSALS.includes(error.code))) throw error;
    return { status: 'refused', problem: error };
  }
}

/** Codes of a payload that is well-formed, but does not fit. */
const REFUSALS: readonly unknown[] = ['wrong-layout', 'wrong-base', 'result-mismatch', 'empty-model'];

async function checkTensors(payload: OpenPayload, tensors: readonly TensorInfo[]): Promise<void> {
  await checkLayout(payload, tensors);
  checkNotEmpty(tensors);
}

/** Result of applying a payload in memory. */
interface DryRun {
  /** Fingerprint of the stored model. */
  readonly found: string;
  /** Fingerprint of the patched model. */
  readonly result: string;
  /** What is wrong with the payload, unless the model is not its base. */
  readonly fault?: unknown;
  /** Number of runs of neighbouring bytes that change. */
  readonly runs: number;
  /** Effects on the touched tensors. */
  readonly tensors: readonly {
    readonly name: string;
    /** Kinds of the ops that touch it, in order. */
    readonly ops: readonly Op['kind'][];
    readonly bytesRead: number;
    readonly bytesWritten: number;
  }[];
}

async function runDry(store: WeightStore, payload: OpenPayload, options: ApplyOptions): Promise<DryRun> {
  const hash = options.sha256 ?? sha256;
  const bytesTotal = totalBytes(store.tensors);
  const tallies: TensorTally[] = [];
  let tally: TensorTally | undefined;
  let bytesDone = 0;
  let fault: unknown;
  const onFault = (error: unknown): void => {
    fault ??= error;
  };
  await eachChunk({ ...options, store, payload, onFault }, async (chunk) => {
    tally ??= new TensorTally(chunk.info, hash);
    await tally.add(chunk);
    bytesDone += chunk.before.length;
    options.onProgress?.({ phase: 'check', done: bytesDone, total: bytesTotal });
    if (!chunk.isLast) return;
    tallies.push(tally);
    tally = undefined;
  });
  const digests: Awaited<ReturnType<TensorTally['finish']>>[] = [];
  for (const each of tallies) digests.push(await each.finish());
  const before = digests.map((digest) => digest.before);
  const after = digests.map((digest) => digest.after);
  const tensors = tallies.filter((each) => each.isTouched).map((each) => each.plan());
  const runs = tallies.reduce((sum, each) => sum + each.runs, 0);
  const [found, result] = [await joinDigests(before, hash), await joinDigests(after, hash)];
  return { found, result, fault, runs, tensors };
}

/** Accumulates a tensor's digests before and after the diff, and the number of bytes to write. */
class TensorTally {
  readonly #info: TensorInfo;
  readonly #before: TensorDigest;
  readonly #after: TensorDigest;
  #bytesWritten = 0;
  #runs = 0;
  #kinds: readonly Op['kind'][] = [];

  constructor(info: TensorInfo, hash: Sha256) {
    this.#info = info;
    this.#before = new TensorDigest(info, hash);
    this.#after = new TensorDigest(info, hash);
  }

  async add(chunk: Chunk): Promise<void> {
    this.#kinds = chunk.kinds;
    const runs = changedRuns(chunk);
    this.#runs += runs.length;
    this.#bytesWritten += runs.reduce((sum, run) => sum + run.end - run.start, 0);
    if (chunk.before.length === 0) return;
    await this.#before.add(chunk.before);
    if (this.isTouched) await this.#after.add(chunk.after);
  }

  async finish(): Promise<{ before: Uint8Array; after: Uint8Array }> {
    const before = await this.#before.finish();
    return { before, after: this.isTouched ? await this.#after.finish() : before };
  }

  get runs(): number {
    return this.#runs;
  }

  get isTouched(): boolean {
    return this.#kinds.length > 0;
  }

  plan(): TensorPlan {
    const bytesRead = byteLength(this.#info);
    return { name: this.#info.name, ops: this.#kinds, bytesRead, bytesWritten: this.#bytesWritten };
  }
}

function checkWritable({ tensors }: DryRun, { readOnly }: WeightStore): NeuralDiffError | undefined {
  const refused = tensors.find(({ name, bytesWritten }) => bytesWritten > 0 && readOnly?.has(name));
  if (refused === undefined) return undefined;
  const message = `Cannot apply payload: tensor "${refused.name}" cannot be written in place`;
  return new NeuralDiffError('unsupported-model', message);
}

function checkDryRun(payload: OpenPayload, dryRun: DryRun): NeuralDiffError | undefined {
  const { base, next } = payload.header;
  if (dryRun.found !== base) {
    const facts = { expected: base, found: dryRun.found };
    const message = `Cannot apply payload: expected a base with fingerprint ${facts.expected}, got ${facts.found}`;
    return new NeuralDiffError('wrong-base', message, { facts });
  }
  if (dryRun.result === next) return undefined;
  const facts = { expected: next, found: dryRun.result };
  const message = `Cannot apply payload: expected a result with fingerprint ${facts.expected}, got ${facts.found}`;
  return new NeuralDiffError('result-mismatch', message, { facts });
}
