import { join } from 'node:path';
import { type RouteEdge, routeEdge } from '../src/chain/plan-route.js';
import { NeuralDiffError } from '../src/model/errors.js';
import { fingerprint } from '../src/model/fingerprint.js';
import { listFiles } from '../src/node/folder.js';
import { readPayload } from '../src/node/read-payload.js';
import { summarise } from './exit-codes.js';
import type { Io } from './io.js';
import { withModel } from './open.js';

/** A file that is not a payload, or is damaged. */
export interface Skipped {
  readonly file: string;
  readonly code: string;
  readonly message: string;
}

/** Reads from which model to which the payloads of a folder lead. */
export async function readEdges(folder: string): Promise<{ edges: RouteEdge[]; skipped: Skipped[] }> {
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
