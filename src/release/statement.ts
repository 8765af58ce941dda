import { Fields, type JsonObject } from './json.js';
import { HEX_32 } from './keys.js';
import { MAX_FILE_BYTES, MAX_STATEMENT_ENTRIES } from './limits.js';

/** Value of `_type`, which distinguishes statements from other metadata. */
const STATEMENT_TYPE = 'neural-diff-release';

/** The supported version of statements. */
const STATEMENT_VERSION = 1;

/** Unit of a rollout: devices in ten thousand. */
export const ROLLOUT_UNITS = 10_000;

/** A file that belongs to a release. */
export interface SignedFile {
  /** Plain file name: letters, digits, `.`, `_`, `-`; up to 128 characters. */
  readonly name: string;
  readonly bytes: number;
  /** SHA-256 in 64 hexadecimal digits. */
  readonly sha256: string;
}

/** The signed description of a file that updates devices to a model. */
export interface ReleaseStatement extends SignedFile {
  /** `update`: a payload for one base; `full`: a whole model in one file, for any base. */
  readonly kind: 'update' | 'full';
  /** Fingerprint of the payload's base, 32 hexadecimal digits; for updates only. */
  readonly base?: string | undefined;
  /** Fingerprint of the resulting model, 32 hexadecimal digits. */
  readonly next: string;
  /** Version of the payload format; for updates only. */
  readonly formatVersion?: number | undefined;
  /** Bytes of the model's tensors. */
  readonly modelBytes: number;
  /**
   * Order of releases, from 1: devices reject smaller counters. All files of one release share its counter.
   */
  readonly counter: number;
  /** Date from which devices reject the release; an installed model keeps working. */
  readonly expires: Date;
  /** Device classes that may use it; defaults to all. */
  readonly deviceClasses?: readonly string[] | undefined;
  /** Only devices that follow this channel may use it; defaults to all. */
  readonly channel?: string | undefined;
  /** Devices in ten thousand that may use it, 0 to 10,000; defaults to all. */
  readonly rollout?: number | undefined;
  /** Published metrics of the model by name, for example `{ accuracy: 0.963 }`. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Inputs with expected outputs, to be run before the release is trusted. */
  readonly golden?: SignedFile;
  /**
   * For whole models: the SHA-256 of each chunk of `chunkBytes`, 32 bytes each, by which devices repair a
   * damaged one.
   */
  readonly chunks?: SignedFile & { readonly chunkBytes: number };
  /** Permits a rollback to this release for devices whose counter is at most this. */
  readonly allowsRollbackFrom?: number;
  /** Why the release was withdrawn; devices do not install such a release. */
  readonly withdrawn?: string | undefined;
}

const FILE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const FINGERPRINT = /^[0-9a-f]{32}$/;
const LABEL = /^[A-Za-z0-9][A-Za-z0-9 ._:/-]{0,63}$/;
const METRIC = /^[A-Za-z][A-Za-z0-9._-]{0,63}$/;
const DECIMAL = /^-?(0|[1-9]\d{0,20})(\.\d{1,30})?(e[+-]?\d{1,3})?$/;

/**
 * Parses a statement. Unknown fields are ignored.
 *
 * @param signed content with verified signatures
 * @param what description of the statement for errors
 * @throws NeuralDiffError `metadata-corrupt`; `unsupported-version` for statements of another version
 */
export function parseStatement(signed: JsonObject, what: string): ReleaseStatement {
  const fields = new Fields(signed, what);
  fields.checkType(STATEMENT_TYPE, STATEMENT_VERSION);
  const kind = fields.text('kind', /^(update|full)$/) as ReleaseStatement['kind'];
  return {
    kind,
    ...parseFile(fields),
    ...(kind === 'update' && {
      base: fields.text('base', FINGERPRINT),
      formatVersion: fields.whole('formatVersion', 0),
    }),
    next: fields.text('next', FINGERPRINT),
    modelBytes: fields.whole('modelBytes', 0),
    counter: fields.whole('counter', 1),
    expires: fields.date('expires'),
    metrics: parseMetrics(fields),
    ...(fields.has('chunks') && { chunks: parseChunks(fields.fields('chunks')) }),
    ...parsePermissions(fields),
  };
}

function parsePermissions(fields: Fields): Partial<ReleaseStatement> {
  const classes = fields.has('deviceClasses') && {
    deviceClasses: fields.texts('deviceClasses', { pattern: LABEL, max: MAX_STATEMENT_ENTRIES }),
  };
  // An empty list would exclude all devices and is probably a mistake.
  if (classes && classes.deviceClasses.length === 0)
    throw fields.wrong('deviceClasses', 'at least one class');
  const rollout = fields.has('rollout') ? fields.whole('rollout', 0) : undefined;
  if (rollout !== undefined && rollout > ROLLOUT_UNITS)
    throw fields.wrong('rollout', `at most ${ROLLOUT_UNITS}`);
  return {
    ...classes,
    ...(fields.has('channel') && { channel: fields.text('channel', LABEL) }),
    ...(rollout !== undefined && { rollout }),
    ...(fields.has('golden') && { golden: parseFile(fields.fields('golden')) }),
    ...(fields.has('allowsRollbackFrom') && { allowsRollbackFrom: fields.whole('allowsRollbackFrom', 1) }),
    ...(fields.has('withdrawn') && { withdrawn: fields.text('withdrawn') }),
  };
}

function parseFile(fields: Fields): SignedFile {
  const bytes = fields.whole('bytes', 0);
  if (bytes > MAX_FILE_BYTES) throw fields.wrong('bytes', `at most ${MAX_FILE_BYTES}`);
  return { name: fields.text('name', FILE_NAME), bytes, sha256: fields.text('sha256', HEX_32) };
}

function parseChunks(fields: Fields): NonNullable<ReleaseStatement['chunks']> {
  return { ...parseFile(fields), chunkBytes: fields.whole('chunkBytes', 1) };
}

/** Parses metrics, which are decimal strings since canonical JSON has no fractions. */
function parseMetrics(fields: Fields): Record<string, number> {
  const metrics = fields.fields('metrics');
  const names = Object.keys(metrics.object);
  if (names.length > MAX_STATEMENT_ENTRIES || !names.every((name) => METRIC.test(name)))
    throw fields.wrong('metrics', `at most ${MAX_STATEMENT_ENTRIES} plain names`);
  return Object.fromEntries(names.map((name) => [name, parseDecimal(metrics, name)]));
}

function parseDecimal(fields: Fields, name: string): number {
  const value = Number(fields.text(name, DECIMAL));
  if (!Number.isFinite(value)) throw fields.wrong(name, 'a number');
  return value;
}

/**
 * Converts a statement to the object that is signed.
 *
 * @throws NeuralDiffError `metadata-corrupt` for an invalid statement
 */
export function encodeStatement(statement: ReleaseStatement): JsonObject {
  const { expires, metrics, golden, chunks, ...rest } = statement;
  const defined = Object.entries(rest).filter(([, value]) => value !== undefined);
  const signed = {
    ...Object.fromEntries(defined),
    _type: STATEMENT_TYPE,
    version: STATEMENT_VERSION,
    expires: encodeDate(expires),
    metrics: Object.fromEntries(Object.entries(metrics).map(([name, value]) => [name, String(value)])),
    ...(golden && { golden: { ...golden } }),
    ...(chunks && { chunks: { ...chunks } }),
  } as unknown as JsonObject;
  parseStatement(signed, `statement of "${statement.name}"`);
  return signed;
}

/**
 * @returns a date in the form of TUF metadata, in whole seconds of UTC; an empty string for an invalid date
 */
export function encodeDate(date: Date): string {
  return Number.isNaN(date.getTime()) ? '' : `${date.toISOString().slice(0, 19)}Z`;
}
