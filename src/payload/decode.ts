import { NeuralDiffError } from '../model/errors.js';
import { copyModel, type WeightStore } from '../model/store.js';
import { canonicalOrder, elementCount, type Tensor, type TensorInfo, wordsOf } from '../model/tensor.js';
import { type Bytes, WINDOW_BYTES } from './byte-source.js';
import { PlainSegmentDecoder, type SegmentDecoder } from './delta/decoder.js';
import { DeltaReader, headOf } from './delta/reader.js';
import { DenseReader } from './dense-record.js';
import type { Diff, Op, Payload } from './diff.js';
import { HashReader } from './hash-record.js';
import { layoutOf } from './header.js';
import { beyondLimit, corrupt, MAX_BUCKETS, MAX_OPEN_DELTAS, MAX_PASSES } from './limits.js';
import { type FactorTotals, LowRankReader } from './low-rank-record.js';
import { type OpenPayload, openPayload } from './open-payload.js';
import { RangeDecoder } from './range-decoder.js';
import { codeTensors } from './record-head.js';
import { SetReader } from './set-record.js';
import { type Changes, SlabPool, SparseReader } from './sparse-record.js';

/**
 * Reads a whole payload.
 *
 * @param payload the payload file
 * @param tensors the tensors of the base model, in any order; with their bytes, which delta records need
 * @returns header and diff, with every position, level and scale within its bounds
 * @throws NeuralDiffError those of `openPayload`, `wrong-layout` for another model's tensors; `wrong-base`
 *   for delta records without the bytes of the base
 */
export async function decodePayload(
  payload: Bytes,
  tensors: readonly (TensorInfo | Tensor)[],
): Promise<Payload> {
  const opened = await openPayload(payload);
  return { header: opened.header, diff: await readDiff(opened, tensors) };
}

/**
 * Reads from a model what reading a payload's diff needs.
 *
 * @param base the model, in memory or not
 * @returns its tensors; with their bytes where the payload has delta records
 */
export async function tensorsFor(
  payload: Pick<OpenPayload, 'records'>,
  base: WeightStore,
): Promise<{ tensors: readonly (TensorInfo | Tensor)[] }> {
  return payload.records.some(({ kind }) => kind === 'delta') ? copyModel(base) : base;
}

/**
 * Reads the whole diff of an open payload.
 *
 * @param tensors the tensors of the base model, in any order; with their bytes, which delta records need
 * @throws NeuralDiffError `wrong-layout`, `corrupt-payload`, `limit-exceeded`; `wrong-base` for delta records
 *   without the bytes of the base
 */
export async function readDiff(
  payload: OpenPayload,
  tensors: readonly (TensorInfo | Tensor)[],
): Promise<Diff> {
  await checkLayout(payload, tensors);
  if (payload.files) throw makesFiles();
  const infos = canonicalOrder(tensors).map(wordsOf);
  nameTensors(payload.records, infos);
  const pool = new RecordPool();
  const bytesOf = new Map(
    tensors.map((tensor) => [tensor.name, 'bytes' in tensor ? tensor.bytes : undefined]),
  );
  const ops = payload.records.flatMap((record): Op[] => {
    const reader = pool.open(record, infos);
    const readOp = (info: TensorInfo): Op => {
      const run = { start: 0, end: elementCount(info) };
      return copyArrays(readRun(reader, info, { ...run, base: bytesOf.get(info.name) }));
    };
    const read = reader instanceof HashReader ? [reader.read()] : reader.tensors.map(readOp);
    reader.decoder.expectEnd();
    pool.close(reader);
    return read;
  });
  return { ops };
}

/** A run of elements, `end` exclusive, and the bytes that the base has there, which delta records need. */
interface Run {
  readonly start: number;
  readonly end: number;
  readonly base?: Uint8Array | undefined;
}

function readRun(reader: Reader, info: TensorInfo, { base, ...run }: Run): Op {
  if (!(reader instanceof DeltaReader)) return reader.read(info, run);
  if (base === undefined) {
    const message =
      'Cannot read payload: expected the base model, whose weights its delta records need, got none';
    throw new NeuralDiffError('wrong-base', message);
  }
  return reader.read(info, run.start, base);
}

/** @returns the error for a payload whose ops are about the tensors of new files, not about the base's */
function makesFiles(): NeuralDiffError {
  const message =
    'Cannot read the ops of this payload: it makes new files; apply it to a copy (apply --out), and make a way back or a longer step from models (diff --files)';
  return new NeuralDiffError('needs-copy', message);
}

/** Copies the arrays that a reader reuses. */
function copyArrays(op: Op): Op {
  if (op.kind !== 'sparse' && op.kind !== 'exact') return op;
  const [positions, levels] = [op.positions.slice(), op.levels.slice()];
  return { ...op, positions, levels } as Op;
}

/**
 * Checks that a payload was made for models with these tensors.
 *
 * @throws NeuralDiffError `wrong-layout`
 */
export async function checkLayout({ header }: OpenPayload, tensors: readonly TensorInfo[]): Promise<void> {
  if (header.layout === undefined) return;
  const found = await layoutOf(tensors);
  if (found === header.layout) return;
  const [expected, got] = [header.layout, found].map((layout) => layout.toString(16).padStart(8, '0'));
  const message = `Cannot apply payload: expected tensor names, dtypes and shapes of layout ${expected}, got ${got}`;
  throw new NeuralDiffError('wrong-layout', message, {
    facts: { expected: expected as string, found: got as string },
  });
}

type Record = OpenPayload['records'][number];

/**
 * Reads which tensors each record names.
 *
 * @throws NeuralDiffError `corrupt-payload`; `limit-exceeded` for a tensor in too many records
 */
function nameTensors(records: readonly Record[], infos: readonly TensorInfo[]): ReadonlySet<string>[] {
  const window = new Uint8Array(WINDOW_BYTES);
  const passes = new Map<string, number>();
  return records.map((record) => {
    const names = namesIn(record, infos, window).map(({ name }) => name);
    for (const name of names) {
      const count = (passes.get(name) ?? 0) + 1;
      if (count > 1 && record.kind === 'delta')
        throw corrupt(`tensor "${name}" is in a record before its delta record`);
      if (count > MAX_PASSES) throw beyondLimit('records for one tensor', MAX_PASSES, count);
      passes.set(name, count);
    }
    return new Set(names);
  });
}

/** Reads the head of a record that names its tensors. */
function namesIn({ kind, bytes }: Record, infos: readonly TensorInfo[], window: Uint8Array): TensorInfo[] {
  const head = kind === 'delta' ? headOf(bytes) : bytes;
  return codeTensors(new RangeDecoder(head, window), infos);
}

type Reader = DeltaReader | DenseReader | HashReader | LowRankReader | SetReader | SparseReader;

/** Opens the records of one payload, with memory that they share. */
class RecordPool {
  readonly #slabs = new SlabPool();
  readonly #changes: Changes[] = [];
  readonly #factors: FactorTotals = new Map();
  readonly #createDecoder: () => SegmentDecoder;
  /** Decoders of delta records that have been read, and the number of all. */
  readonly #decoders: SegmentDecoder[] = [];
  #lent = 0;
  /** Buckets of the hash records opened so far. */
  #buckets = 0;

  /** @param createDecoder for delta records; plain arithmetic by default */
  constructor(createDecoder: () => SegmentDecoder = () => new PlainSegmentDecoder()) {
    this.#createDecoder = createDecoder;
  }

  /** @throws NeuralDiffError `corrupt-payload`; `limit-exceeded` for too many buckets in all hash records */
  open({ kind, bytes }: Record, infos: readonly TensorInfo[]): Reader {
    if (kind === 'set') return new SetReader(bytes, infos);
    if (kind === 'delta') return new DeltaReader(bytes, infos, this.#lendDecoder());
    if (kind === 'dense') return new DenseReader(bytes, infos);
    if (kind === 'low-rank') return new LowRankReader(bytes, infos, this.#factors);
    if (kind !== 'hash')
      return new SparseReader(bytes, infos, { kind, changes: this.#changes.pop(), slabs: this.#slabs });
    const reader = new HashReader(bytes, infos, MAX_BUCKETS - this.#buckets);
    this.#buckets += reader.count;
    return reader;
  }

  close(reader: Reader): void {
    if (reader instanceof SparseReader) this.#changes.push(reader.changes);
    if (reader instanceof DeltaReader) this.#decoders.push(reader.segments);
  }

  /** @throws NeuralDiffError `limit-exceeded` for too many delta records that are being read */
  #lendDecoder(): SegmentDecoder {
    const spare = this.#decoders.pop();
    if (spare !== undefined) return spare;
    if (++this.#lent > MAX_OPEN_DELTAS)
      throw beyondLimit('delta records at a time', MAX_OPEN_DELTAS, this.#lent);
    return this.#createDecoder();
  }
}

/** A record that is being read. */
interface RecordState {
  readonly record: Record;
  /** Names of its tensors. */
  readonly names: ReadonlySet<string>;
  /** Number of its tensors that are not yet read completely. */
  left: number;
  /**
   * Present from the first tensor of the record to the end of the last, since adaptive models take memory.
   */
  reader?: Reader | undefined;
}

/** Buckets, or levels of columns, read between two chances to yield. */
const SHARED_AT_ONCE = 2 ** 14;

/**
 * Reads a payload's ops for one range of elements at a time; holds no more of the diff than that range needs,
 * the buckets of hash ops, and the levels of columns of the tensor's low-rank ops.
 */
export class DiffReader {
  readonly #infos: readonly TensorInfo[];
  readonly #byName: ReadonlyMap<string, TensorInfo>;
  readonly #records: readonly RecordState[];
  readonly #pool: RecordPool;
  /** Names of the tensors that some op changes. */
  readonly touched: ReadonlySet<string>;

  /**
   * @param payload an open payload
   * @param tensors the tensors of the base model, in any order
   * @param createDecoder for delta records; plain arithmetic by default
   * @throws NeuralDiffError `corrupt-payload`, `limit-exceeded`
   */
  constructor(
    { records }: Pick<OpenPayload, 'records'>,
    tensors: readonly TensorInfo[],
    createDecoder?: () => SegmentDecoder,
  ) {
    this.#pool = new RecordPool(createDecoder);
    this.#infos = canonicalOrder(tensors).map(wordsOf);
    this.#byName = new Map(this.#infos.map((info) => [info.name, info]));
    const named = nameTensors(records, this.#infos);
    this.#records = records.map((record, i) => {
      const names = named[i] as ReadonlySet<string>;
      return { record, names, left: names.size };
    });
    this.touched = new Set(named.flatMap((names) => [...names]));
  }

  /**
   * Reads what all elements of a tensor need, buckets and levels of columns, a part at a time; `read` would
   * read it at once.
   *
   * @param tick called after each part
   * @throws NeuralDiffError `corrupt-payload`, `limit-exceeded`; what `tick` throws
   */
  async prepare({ name }: TensorInfo, tick: () => Promise<void>): Promise<void> {
    const info = this.#byName.get(name) as TensorInfo;
    for (const state of this.#touching(name)) {
      const reader = this.#open(state);
      if (reader instanceof HashReader || reader instanceof LowRankReader)
        while (reader.readShared(SHARED_AT_ONCE, info) > 0) await tick();
    }
  }

  /**
   * Reads the ops for the next run of elements, or of words (see `wordsOf`).
   *
   * Touched tensors must be read in canonical order, and the elements of each in consecutive runs; a tensor
   * without elements is read as one empty run.
   *
   * @param run `base`: the elements before any op, aligned to their size, for delta records
   * @returns the ops for the run, in order; their arrays are valid until the next call
   * @throws NeuralDiffError `corrupt-payload`, `limit-exceeded`
   */
  read({ name }: TensorInfo, run: Run): Op[] {
    const info = this.#byName.get(name) as TensorInfo;
    const touching = this.#touching(name);
    const ops = touching.map((state) => readRun(this.#open(state), info, run));
    for (const state of run.end === elementCount(info) ? touching : []) {
      if (--state.left > 0) continue;
      const reader = this.#open(state);
      reader.decoder.expectEnd();
      this.#pool.close(reader);
      state.reader = undefined;
    }
    return ops;
  }

  #touching(name: string): RecordState[] {
    return this.#records.filter(({ names }) => names.has(name));
  }

  #open(state: RecordState): Reader {
    state.reader ??= this.#pool.open(state.record, this.#infos);
    return state.reader;
  }
}
