import { hex } from '../model/bytes.js';
import { sha256 } from '../model/fingerprint.js';
import { Fields, parseJson } from './json.js';
import { HEX_32 } from './keys.js';
import { corrupt, MAX_INDEX_NODE_BYTES, refuse } from './limits.js';
import { parseStatement, type ReleaseStatement } from './statement.js';

/** Name of the target that is the index of older releases, and of the files of its nodes. */
export const INDEX_NAME = 'releases.index.json';

/** The field of that target's `custom` object. */
export const INDEX_FIELD = 'neural-diff-index';

/** Value of `_type`, which distinguishes nodes from other signed files. */
export const INDEX_TYPE = 'neural-diff-index';

/** The supported version of nodes. */
export const INDEX_VERSION = 1;

/** What the index lists whole models under, which have no base. */
export const ANY_BASE = 'whole';

/** The file of a node, as listed by the node above it. */
export interface NodeFile {
  readonly bytes: number;
  /** SHA-256 in hexadecimal digits. */
  readonly sha256: string;
}

/** A node: the releases of some bases, or the nodes of the bases with each next digit. */
interface IndexNode {
  readonly releases: readonly ReleaseStatement[];
  readonly children: ReadonlyMap<string, NodeFile>;
}

/** Fetches a file by its path below the repository's folder of targets. */
export type FetchTarget = (path: string, maxBytes: number) => Promise<Uint8Array | undefined>;

/** @returns the base that the index lists a release under */
export const keyOf = ({ base = ANY_BASE }: ReleaseStatement): string => base;

/**
 * Finds the releases for a base in an index: a tree of files with a branch for each digit of the base. Each
 * file is named by the digest that the one above lists, the first by that of signed metadata.
 *
 * Source: R. Merkle, "A Digital Signature Based on a Conventional Encryption Function", 1987.
 *
 * @param base fingerprint of a model, or `ANY_BASE` for whole models
 * @throws NeuralDiffError `metadata-missing`, `metadata-mismatch`, `metadata-corrupt`, `limit-exceeded`,
 *   `unsupported-version`; any error of fetching
 */
export async function findInIndex(
  root: NodeFile,
  base: string,
  fetchTarget: FetchTarget,
): Promise<readonly ReleaseStatement[]> {
  let file = root;
  for (let depth = 0; ; depth++) {
    const { releases, children } = await readNode(file, fetchTarget);
    const child = children.get(base.charAt(depth));
    if (child === undefined) return releases.filter((release) => keyOf(release) === base);
    file = child;
  }
}

/** @returns the path of a node's file below the repository's folder of targets */
export const pathOfNode = ({ sha256 }: NodeFile): string => `${sha256}.${INDEX_NAME}`;

/** Reads a node, which must be the listed one. @throws NeuralDiffError as `findInIndex` */
export async function readNode(file: NodeFile, fetchTarget: FetchTarget): Promise<IndexNode> {
  const what = `index "${pathOfNode(file)}"`;
  const found = await fetchTarget(pathOfNode(file), Math.min(file.bytes, MAX_INDEX_NODE_BYTES));
  if (found === undefined)
    throw refuse('metadata-missing', `Cannot read ${what}: the repository has no such file`);
  if (found.length !== file.bytes || hex(await sha256(found)) !== file.sha256)
    throw refuse('metadata-mismatch', `Cannot trust ${what}: length or hash does not match the listed file`);
  return parseNode(found, what);
}

function parseNode(bytes: Uint8Array, what: string): IndexNode {
  const fields = new Fields(parseJson(bytes, { what, maxBytes: MAX_INDEX_NODE_BYTES }), what);
  fields.checkType(INDEX_TYPE, INDEX_VERSION);
  const releases = fields
    .list('releases', MAX_INDEX_NODE_BYTES)
    .map((each, i) => parseStatement(new Fields(each, what).object, `${what}, release ${i}`));
  const children = fields.fields('children');
  const digits = Object.keys(children.object);
  if (!digits.every((digit) => digit.length === 1)) throw corrupt(what, 'expected children by digit');
  return { releases, children: new Map(digits.map((digit) => [digit, parseFile(children.fields(digit))])) };
}

function parseFile(fields: Fields): NodeFile {
  return { bytes: fields.whole('bytes', 1), sha256: fields.text('sha256', HEX_32) };
}
