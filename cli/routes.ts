import { join } from 'node:path';
import { type RouteEdge, routeEdge } from '../src/chain/plan-route.js';
import { NeuralDiffError } from '../src/model/errors.js';
import { fingerprint } from '../src/model/fingerprint.js';
import { listFiles } from '../src/node/folder.js';
import { readPayload } from '../src/node/read-payload.js';
import { statementsOf } from '../src/publish/arrange-targets.js';
import { openRepositoryFolder, type RepositoryFiles } from '../src/publish/files.js';
import { openRepository, type Repository, rolePath } from '../src/publish/repository.js';
import { summarise } from './exit-codes.js';
import type { Io } from './io.js';
import { withModel } from './open.js';

/** A file that is not a payload, or is damaged. */
export interface Skipped {
  readonly file: string;
  readonly code: string;
  readonly message: string;
}

/** What devices can download to get from one model to another. */
interface Updates {
  readonly edges: readonly RouteEdge[];
  readonly skipped: readonly Skipped[];
  /** Of a repository: bytes of its newest metadata. */
  readonly metadataBytes?: number;
  /** Of a repository: bytes of the whole models that are released, by fingerprint. */
  readonly wholes?: ReadonlyMap<string, number>;
}

/** For a fleet that has nothing but the full model. */
export const NO_UPDATES: Updates = { edges: [], skipped: [] };

/** Reads from which model to which the payloads of a folder lead, or the live releases of a repository. */
export async function readUpdates(folder: string): Promise<Updates> {
  const files = openRepositoryFolder(folder);
  if ((await files.read('metadata/timestamp.json')) === undefined) return readEdges(folder);
  const repository = await openRepository(files);
  const live = statementsOf(repository).filter(({ expires }) => expires > new Date());
  const edges = live.flatMap(({ name, base, next, bytes }) =>
    base === undefined ? [] : [{ name, base, next, bytes }],
  );
  const wholes = live.filter(({ kind }) => kind === 'full').map(({ next, bytes }) => [next, bytes] as const);
  return {
    edges,
    skipped: [],
    wholes: new Map(wholes),
    metadataBytes: await sizeOfMetadata(files, repository),
  };
}

async function sizeOfMetadata(files: RepositoryFiles, repository: Repository): Promise<number> {
  const roles = ['timestamp', 'snapshot', 'targets'] as const;
  const paths = roles.map((role) => rolePath(role, repository[role].signed.version));
  const sizes = await Promise.all(paths.map(async (path) => (await files.read(path))?.length ?? 0));
  return sizes.reduce((sum, bytes) => sum + bytes, 0);
}

async function readEdges(folder: string): Promise<Updates> {
  const edges: RouteEdge[] = [];
  const skipped: Skipped[] = [];
  for (const file of await listFiles(folder, '.ndiff')) {
    try {
      edges.push(await routeEdge(file, await readPayload(join(folder, file))));
    } catch (error) {
      if (!(error instanceof NeuralDiffError)) throw error;
      const { code, message } = summarise(error);
      skipped.push({ file, code, message });
    }
  }
  return { edges, skipped };
}

const FINGERPRINT = /^[0-9a-f]{32}$/;
const PREFIX = /^[0-9a-f]{4,31}$/;

/** @returns the fingerprint that is named by itself, by its start, or by the path of a model */
export async function resolveModel(text: string, known: ReadonlySet<string>, io: Io): Promise<string> {
  if (FINGERPRINT.test(text)) return text;
  const matches = PREFIX.test(text) ? [...known].filter((id) => id.startsWith(text)) : [];
  if (matches.length === 1) return matches[0] as string;
  if (matches.length > 1)
    throw new RangeError(
      `Cannot use "${text}": expected the start of one fingerprint, got that of ${matches.join(', ')}`,
    );
  try {
    return await withModel({ path: text }, (store) => fingerprint(store, { signal: io.signal }));
  } catch (error) {
    const isPath = !(error instanceof NeuralDiffError && error.code === 'file-not-found');
    if (isPath || !PREFIX.test(text)) throw error;
    throw noRoute(`no payload names a model that begins with ${text}, and there is no such file`);
  }
}

/** @returns the error of a plan that finds no route */
export function noRoute(why: string): NeuralDiffError {
  return new NeuralDiffError('no-route', `Cannot plan: ${why}`);
}
