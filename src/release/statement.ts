import { Fields, type JsonObject } from './json.js';
import { HEX_32 } from './keys.js';
import { MAX_FILE_BYTES, MAX_STATEMENT_ENTRIES, refuse } from './limits.js';

/** What a statement says in `_type`: no other metadata can be taken for one. */
export const STATEMENT_TYPE = 'neural-diff-release';

/** The version of statements that is written and read. */
export const STATEMENT_VERSION = 1;

/** A file that belongs to a release. */
export interface SignedFile {
  /** Plain file name: letters, digits, `.`, `_`, `-`; up to 128 characters. */
  readonly name: string;
  readonly bytes: number;
  /** SHA-256 in 64 hexadecimal digits. */
  readonly sha256: string;
}

/** What a maker signs of one file that takes devices to a model. */
export interface ReleaseStatement extends SignedFile {
  /** `update`: a payload for one base; `full`: a whole model in one file, for any. */
  readonly kind: 'update' | 'full';
  /** Fingerprint of the model that a payload is for, 32 hexadecimal digits; updates alone have it. */
  readonly base?: string | undefined;
  /** Fingerprint of the model that comes of it, 32 hexadecimal digits. */
  readonly next: string;
  /** Version of the payload format; updates alone have it. */
  readonly formatVersion?: number | undefined;
  /** Bytes of the model's tensors. */
  readonly modelBytes: number;
  /** Order of releases, from 1: devices do not go back. All files that lead to one release share its counter. */
  readonly counter: number;
  /** When devices stop to accept the release; the model that they have goes on working. */
  readonly expires: Date;
  /** Classes of devices that it is for; every class unless given. */
  readonly deviceClasses?: readonly string[] | undefined;
  /** What the maker promises of the model, by name: `{ accuracy: 0.963 }`. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Inputs with expected outputs, to be run before the release is trusted. */
  readonly golden?: SignedFile;
  /** Permission to go back to this release: for devices whose counter is at most this. */
  readonly allowsRollbackFrom?: number;
}

const FILE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const FINGERPRINT = /^[0-9a-f]{32}$/;
const LABEL = /^[A-Za-z0-9][A-Za-z0-9 ._:/-]{0,63}$/;
const METRIC = /^[A-Za-z][A-Za-z0-9._-]{0,63}$/;
const DECIMAL = /^-?(0|[1-9]\d{0,20})(\.\d{1,30})?(e[+-]?\d{1,3})?$/;

/**
 * Reads a statement. Fields that are not known are ignored.
 *
 * @param signed with valid signatures
 * @param what names it in errors
 * @throws NeuralDiffError `metadata-corrupt`; `unsupported-version` for statements of another version
 */
export function parseStatement(signed: JsonObject, what: string): ReleaseStatement {
  const fields = new Fields(signed, what);
  if (fields.text('_type') !== STATEMENT_TYPE) throw fields.wrong('_type', `"${STATEMENT_TYPE}"`);
  const version = fields.whole('version', 1);
  if (version !== STATEMENT_VERSION) {
    const message = `Cannot read ${what}: expected version ${STATEMENT_VERSION}, got ${version}`;
    throw refuse('unsupported-version', message, { version });
  }
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
    ...parsePermissions(fields),
  };
}

function parsePermissions(fields: Fields): Partial<ReleaseStatement> {
  const classes = fields.has('deviceClasses') && {
    deviceClasses: fields.texts('deviceClasses', { pattern: LABEL, most: MAX_STATEMENT_ENTRIES }),
  };
  // A list without anyone in it is more likely a slip than a wish.
  if (classes && classes.deviceClasses.length === 0) throw fields.wrong('deviceClasses', 'a class at least');
  return {
    ...classes,
    ...(fields.has('golden') && { golden: parseFile(fields.fields('golden')) }),
    ...(fields.has('allowsRollbackFrom') && { allowsRollbackFrom: fields.whole('allowsRollbackFrom', 1) }),
  };
}

function parseFile(fields: Fields): SignedFile {
  const bytes = fields.whole('bytes', 0);
  if (bytes > MAX_FILE_BYTES) throw fields.wrong('bytes', `at most ${MAX_FILE_BYTES}`);
  return { name: fields.text('name', FILE_NAME), bytes, sha256: fields.text('sha256', HEX_32) };
}

/** Canonical JSON has no fractions: metrics are decimals in texts. */
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
 * Writes a statement as the object that is signed.
 *
 * @throws NeuralDiffError `metadata-corrupt` for a statement that would not be read again
 */
export function encodeStatement(statement: ReleaseStatement): JsonObject {
  const { expires, metrics, golden, ...rest } = statement;
  const given = Object.entries(rest).filter(([, value]) => value !== undefined);
  const signed = {
    ...Object.fromEntries(given),
    _type: STATEMENT_TYPE,
    version: STATEMENT_VERSION,
    expires: encodeDate(expires),
    metrics: Object.fromEntries(Object.entries(metrics).map(([name, value]) => [name, String(value)])),
    ...(golden && { golden: { ...golden } }),
  } as unknown as JsonObject;
  parseStatement(signed, `statement of "${statement.name}"`);
  return signed;
}

/** @returns a moment as metadata carry it, in whole seconds of UTC; an empty text for no date */
export function encodeDate(date: Date): string {
  return Number.isNaN(date.getTime()) ? '' : `${date.toISOString().slice(0, 19)}Z`;
}
