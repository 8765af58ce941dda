import { createHash } from 'node:crypto';
import * as v from 'valibot';
import { NeuralDiffError } from '../../model/errors.js';
import { DIFF_KINDS, type RecipeOptions, unknownOptions } from '../options.js';

const DIGEST = v.pipe(
  v.string(),
  v.regex(/^[0-9a-f]{64}$/, 'expected the 64 hexadecimal digits of a SHA-256'),
);

/** A path inside of a folder, with `/` on every platform. */
const INNER_PATH = v.pipe(
  v.string(),
  v.check((path) => isInner(path), 'expected a path inside of its folder'),
);

/** Files by path, with the SHA-256 of each. */
const FILES = v.strictObject({ main: INNER_PATH, files: v.record(INNER_PATH, DIGEST) });

const COMMON = {
  format: v.literal('neural-diff job'),
  version: v.literal(1),
  /** Version of this package: others may make other bytes. */
  package: v.string(),
  recipe: FILES,
  seed: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(2 ** 32 - 1)),
  backend: v.picklist(['wasm', 'cpu']),
};

const OF_MODEL = {
  ...COMMON,
  base: v.strictObject({
    ...FILES.entries,
    /** Of the model that devices have: the base with its chain. */
    fingerprint: v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/)),
    /** Payloads that devices have applied, in order. */
    chain: v.array(DIGEST),
  }),
};

const OF_DIFF = {
  ...OF_MODEL,
  /** A full fine-tune that exists already. */
  full: v.optional(FILES),
  options: v.pipe(
    v.custom<RecipeOptions>((value) => typeof value === 'object' && value !== null),
    v.check((options) => unknownOptions(options).length === 0, 'expected known options'),
  ),
};

const JOB = v.variant('type', [
  v.strictObject({ ...OF_DIFF, type: v.literal('fine-tune') }),
  v.strictObject({
    ...OF_DIFF,
    type: v.literal('diff'),
    kind: v.picklist(DIFF_KINDS),
    /** Largest payload, in bytes. */
    budget: v.pipe(v.number(), v.integer(), v.minValue(1)),
  }),
  v.strictObject({
    ...COMMON,
    type: v.literal('network'),
    /** Of the choices that the recipe's network has. */
    configuration: v.record(v.string(), v.union([v.string(), v.number()])),
    epochs: v.pipe(v.number(), v.integer(), v.minValue(1)),
    learningRate: v.pipe(v.number(), v.minValue(Number.MIN_VALUE)),
  }),
  v.strictObject({
    ...OF_MODEL,
    type: v.literal('predict'),
    /** What is known of the examples: labels and classes, in the form of `node:v8`. */
    truth: DIGEST,
    /** What runs the model: others may round otherwise. */
    runtime: v.string(),
  }),
]);

/** A job that names all it depends on by digest, so that every machine makes the same of it. */
export type JobSpec = v.InferOutput<typeof JOB>;

/** The job of a diff. */
export type DiffSpec = Extract<JobSpec, { type: 'diff' }>;

/** The job of a network that is trained from scratch. */
export type NetworkSpec = Extract<JobSpec, { type: 'network' }>;

/** The job of a model's predictions for the examples of a report. */
export type PredictSpec = Extract<JobSpec, { type: 'predict' }>;

/** Files of a model or a recipe by path, with their SHA-256. */
export type FileSet = v.InferOutput<typeof FILES>;

/**
 * Checks a job that was read.
 *
 * @param value parsed JSON
 * @throws NeuralDiffError `bad-document`
 */
export function readJobSpec(value: unknown): JobSpec {
  const found = v.safeParse(JOB, value);
  if (found.success) return found.output;
  const [issue] = found.issues;
  const where = v.getDotPath(issue) ?? 'the document';
  throw new NeuralDiffError('bad-document', `Cannot read the job: ${where}: ${issue.message}`);
}

/** @returns the id of a job: the SHA-256 of its canonical JSON */
export function jobId(spec: JobSpec): string {
  return digestOfJson(spec);
}

/** @returns the digest by which a recipe is allowed: that of all of its files and their names */
export function recipeDigest({ main, files }: FileSet): string {
  return digestOfJson({ main, files });
}

/**
 * @returns the job of the full fine-tune that a diff starts with: jobs that differ only in kind, budget and
 *   options of the diff share it; undefined if the diff's job names one that exists, and for other jobs
 */
export function fineTuneSpec(of: JobSpec): JobSpec | undefined {
  if (of.type !== 'diff' || of.full) return undefined;
  const { kind: _kind, budget: _budget, ...spec } = of;
  const { batchSize, microBatchSize, mode, outputs, outputKind, only, freeze, fineTune } = spec.options;
  const shared = { batchSize, microBatchSize, outputs, outputKind, only, freeze };
  const own = { ...fineTune, mode: fineTune?.mode ?? mode };
  return { ...spec, type: 'fine-tune', options: plain({ ...shared, fineTune: own }) as RecipeOptions };
}

/** @returns a copy as JSON has it: without values that are undefined */
export function plain<T>(value: T): T {
  return JSON.parse(JSON.stringify(value));
}

function digestOfJson(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex');
}

/** @returns JSON without spaces, the members of objects sorted by name */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, member) => {
    if (typeof member !== 'object' || member === null || Array.isArray(member)) return member;
    return Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

function isInner(path: string): boolean {
  const steps = path.split('/');
  return !/[\\:\0]/.test(path) && steps.every((step) => step !== '' && step !== '.' && step !== '..');
}
