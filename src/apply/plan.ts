import { NeuralDiffError } from '../model/errors.js';
import { joinDigests, type Sha256, sha256, TensorDigest } from '../model/fingerprint.js';
import type { Progress } from '../model/progress.js';
import type { WeightStore } from '../model/store.js';
import { byteLength, type TensorInfo, totalBytes } from '../model/tensor.js';
import type { Bytes } from '../payload/byte-source.js';
import { checkLayout, type OpenPayload, openPayload } from '../payload/decode.js';
import type { Meta, Op } from '../payload/diff.js';
import type { Patcher } from '../payload/patch.js';
import { borrowChunks, type Chunk, type ChunkOptions, changedRuns } from './chunks.js';

/** What `planApply` and `applyPayload` take beside store and payload. */
export interface ApplyOptions {
  /** SHA-256; the runtime's own unless given (browsers offer it in secure contexts only). */
  readonly sha256?: (bytes: Uint8Array) => Promise<Uint8Array>;
  /** Honoured until the first write; then the payload is applied to its end, unless storage that can undo it has the signal too. */
  readonly signal?: AbortSignal;
  /** What computes the patched weights; the plain arithmetic unless given. `neural-diff/fast-apply` has a faster one. */
  readonly patcher?: Patcher | undefined;
  /** How many bytes are done: `check` reads the base, `write` patches it, `verify` reads the result back. */
  readonly onProgress?: (progress: Progress<'check' | 'write' | 'verify'>) => void;
}

/** What applying a payload to a model would do. */
export interface ApplyPlan {
  /** `ready`: the base fits and the result is as promised; `current`: the model is the next one; else `refused`. */
  readonly status: 'ready' | 'current' | 'refused';
  /** Why the payload is refused. */
  readonly problem?: NeuralDiffError;
  /** Fingerprints in hexadecimal digits: what the payload expects, what it promises, what the model has. */
  readonly base: string;
  readonly next: string;
  /** Empty when the tensors alone already disagree. */
  readonly found: string;
  readonly payloadBytes: number;
  readonly modelBytes: number;
  readonly bytesWritten: number;
  /** Touched tensors only, in canonical order. */
  readonly tensors: readonly {
    readonly name: string;
    /** The ops that touch it, in order. */
    readonly ops: readonly Op['kind'][];
    readonly bytesRead: number;
    readonly bytesWritten: number;
  }[];
  readonly meta: Meta;
}

/** What applying would do to one tensor. */
export type TensorPlan = ApplyPlan['tensors'][number];

/**
 * Works out what applying a payload would do. Reads the model once, a chunk at a time; writes nothing.
 *
 * @param store the model
 * @param payload the payload file
 * @returns the plan; a model that does not fit is a plan with status `refused`, not an exception
 * @throws NeuralDiffError `not-a-payload`, `unsupported-version`, `corrupt-payload`, `limit-exceeded` for the payload;
 *   whatever the store throws
 */
export async function planApply(
  store: WeightStore,
  payload: Bytes,
  options: ApplyOptions = {},
): Promise<ApplyPlan> {
  return planOpen(store, await openPayload(payload), { ...options, payloadBytes: payload.length });
}

/** `planApply` for a payload that is already open. */
export async function planOpen(
  store: WeightStore,
  payload: OpenPayload,
  options: ApplyOptions & Pick<ChunkOptions, 'room'> & { payloadBytes: number },
): Promise<ApplyPlan> {
  const { header } = payload;
  const facts = {
    base: header.base,
    next: header.next,
    meta: header.meta,
    payloadBytes: options.payloadBytes,
    modelBytes: totalBytes(store.tensors),
  };
  const nothing = { found: '', bytesWritten: 0, tensors: [] };
  const disagreement = await checkLayout(payload, store.tensors).catch((error: NeuralDiffError) => error);
  if (disagreement) return { ...facts, ...nothing, status: 'refused', problem: disagreement };
  const walk = await walkBase(store, payload, options);
  const found = walk.found;
  if (walk.found === header.next) return { ...facts, ...nothing, found, status: 'current' };
  const problem = check(payload, walk) ?? judgeWrites(walk, store);
  const bytesWritten = walk.tensors.reduce((sum, tensor) => sum + tensor.bytesWritten, 0);
  if (problem) return { ...facts, ...nothing, found, status: 'refused', problem };
  return { ...facts, found, status: 'ready', bytesWritten, tensors: walk.tensors };
}

/** What reading the base once tells. */
interface Walk {
  /** Fingerprint of what is there. */
  readonly found: string;
  /** Fingerprint of what the diff would make of it. */
  readonly result: string;
  /** What would happen to the touched tensors. */
  readonly tensors: readonly {
    readonly name: string;
    /** The ops that touch it, in order. */
    readonly ops: readonly Op['kind'][];
    readonly bytesRead: number;
    readonly bytesWritten: number;
  }[];
}

async function walkBase(store: WeightStore, payload: OpenPayload, options: ApplyOptions): Promise<Walk> {
  const hash = options.sha256 ?? sha256;
  const bytesTotal = totalBytes(store.tensors);
  const tallies: TensorTally[] = [];
  let tally: TensorTally | undefined;
  let bytesDone = 0;
  for await (const chunk of borrowChunks(store, payload, options)) {
    tally ??= new TensorTally(chunk.info, hash);
    await tally.add(chunk);
    bytesDone += chunk.before.length;
    options.onProgress?.({ phase: 'check', done: bytesDone, total: bytesTotal });
    if (!chunk.isLast) continue;
    tallies.push(tally);
    tally = undefined;
  }
  const digests = await Promise.all(tallies.map((each) => each.finish()));
  return {
    found: await joinDigests(
      digests.map(({ before }) => before),
      hash,
    ),
    result: await joinDigests(
      digests.map(({ after }) => after),
      hash,
    ),
    tensors: tallies.filter((each) => each.isTouched).map((each) => each.plan()),
  };
}

/** Collects, chunk by chunk, a tensor's digests before and after the diff, and what would be written. */
class TensorTally {
  readonly #info: TensorInfo;
  readonly #before: TensorDigest;
  readonly #after: TensorDigest;
  #bytesWritten = 0;
  #kinds: readonly Op['kind'][] = [];

  constructor(info: TensorInfo, hash: Sha256) {
    this.#info = info;
    this.#before = new TensorDigest(info, hash);
    this.#after = new TensorDigest(info, hash);
  }

  async add(chunk: Chunk): Promise<void> {
    this.#kinds = chunk.kinds;
    this.#bytesWritten += changedRuns(chunk).reduce((sum, run) => sum + run.end - run.start, 0);
    if (chunk.before.length === 0) return;
    await this.#before.add(chunk.before);
    if (this.isTouched) await this.#after.add(chunk.after);
  }

  async finish(): Promise<{ before: Uint8Array; after: Uint8Array }> {
    const before = await this.#before.finish();
    return { before, after: this.isTouched ? await this.#after.finish() : before };
  }

  get isTouched(): boolean {
    return this.#kinds.length > 0;
  }

  plan(): TensorPlan {
    const bytesRead = byteLength(this.#info);
    return { name: this.#info.name, ops: this.#kinds, bytesRead, bytesWritten: this.#bytesWritten };
  }
}

function judgeWrites({ tensors }: Walk, { readOnly }: WeightStore): NeuralDiffError | undefined {
  const refused = tensors.find(({ name, bytesWritten }) => bytesWritten > 0 && readOnly?.has(name));
  if (refused === undefined) return undefined;
  const message = `Cannot apply payload: tensor "${refused.name}" cannot be written in place`;
  return new NeuralDiffError('unsupported-model', message);
}

function check(payload: OpenPayload, walk: Walk): NeuralDiffError | undefined {
  const { base, next } = payload.header;
  if (walk.found !== base) {
    const facts = { expected: base, found: walk.found };
    const message = `Cannot apply payload: expected a base with fingerprint ${facts.expected}, got ${facts.found}`;
    return new NeuralDiffError('wrong-base', message, { facts });
  }
  if (walk.result === next) return undefined;
  const facts = { expected: next, found: walk.result };
  const message = `Cannot apply payload: expected it to give ${facts.expected}, got ${facts.found}`;
  return new NeuralDiffError('result-mismatch', message, { facts });
}
