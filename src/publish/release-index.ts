import { hex } from '../model/bytes.js';
import { sha256 } from '../model/fingerprint.js';
import { canonicalJson } from '../release/json.js';
import {
  INDEX_TYPE,
  INDEX_VERSION,
  keyOf,
  type NodeFile,
  pathOfNode,
  readNode,
} from '../release/release-index.js';
import { encodeStatement, type ReleaseStatement } from '../release/statement.js';
import type { OutputFile, RepositoryFiles } from './files.js';

/** Most releases in a file, unless all are for one base: as many bytes as a file of 16 branches. */
const LEAF_RELEASES = 4;

/** A node's file, and the files of the nodes below it. */
interface MadeNode {
  readonly file: NodeFile & { readonly content: Uint8Array };
  readonly outputs: readonly OutputFile[];
}

/**
 * Makes an index of releases by the fingerprint of their base: a tree whose files are named by their digests,
 * so that a change writes only those on the way to it.
 *
 * @returns the first node's file, and all files, that one last
 */
export async function makeIndex(releases: readonly ReleaseStatement[], depth = 0): Promise<MadeNode> {
  const keys = new Set(releases.map(keyOf));
  if (releases.length <= LEAF_RELEASES || keys.size === 1) return withFile(releases, new Map());
  const children = new Map<string, MadeNode>();
  for (const digit of new Set([...keys].map((key) => key.charAt(depth)))) {
    const part = releases.filter((release) => keyOf(release).charAt(depth) === digit);
    children.set(digit, await makeIndex(part, depth + 1));
  }
  return withFile([], children);
}

async function withFile(
  releases: readonly ReleaseStatement[],
  children: ReadonlyMap<string, MadeNode>,
): Promise<MadeNode> {
  const entries = [...children].map(([digit, { file }]) => [
    digit,
    { bytes: file.bytes, sha256: file.sha256 },
  ]);
  const content = canonicalJson({
    _type: INDEX_TYPE,
    version: INDEX_VERSION,
    releases: releases.map(encodeStatement),
    children: Object.fromEntries(entries),
  });
  const file = { bytes: content.length, sha256: hex(await sha256(content)), content };
  const below = [...children.values()].flatMap(({ outputs }) => outputs);
  return { file, outputs: [...below, { path: `targets/${pathOfNode(file)}`, bytes: content }] };
}

/**
 * Reads all releases of an index.
 *
 * @throws NeuralDiffError as `findInIndex`; any error of the files
 */
export async function readIndex(files: RepositoryFiles, file: NodeFile): Promise<ReleaseStatement[]> {
  const { releases, children } = await readNode(file, (path) => files.read(`targets/${path}`));
  const found = [...releases];
  for (const child of children.values()) found.push(...(await readIndex(files, child)));
  return found;
}
