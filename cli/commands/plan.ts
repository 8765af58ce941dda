import { join } from 'node:path';
import { planRoute, type Route, type RouteEdge, routeEdge } from '../../src/chain/index.js';
import { fingerprint, hex, NeuralDiffError, totalBytes } from '../../src/index.js';
import { listFiles, readPayload } from '../../src/node/index.js';
import { summarise } from '../exit-codes.js';
import { alignColumns, type CommonFlags, type Io, printResult, remark } from '../io.js';
import { withModel } from '../with-model.js';

/** Flags of `neural-diff plan`. */
export interface PlanFlags extends CommonFlags {
  readonly folder: string;
  readonly from: string;
  readonly to: string;
  readonly model?: string | undefined;
  readonly fullBytes?: number | undefined;
  readonly compose: boolean;
}

/** Says by which of a folder's payloads a device gets from one model to another with the fewest bytes. */
export async function runPlan(flags: PlanFlags, io: Io): Promise<void> {
  const { edges, skipped } = await readEdges(flags.folder);
  for (const { file, message } of skipped) remark(io, flags, `passed over ${file}: ${message}`);
  const known = new Set(edges.flatMap(({ base, next }) => [base, next]));
  const from = await resolveModel(flags.from, known, io);
  const to = await resolveModel(flags.to, known, io);
  const usable = flags.compose ? edges : edges.map(({ opBytes: _opBytes, ...edge }) => edge);
  const fullBytes = flags.fullBytes ?? (await modelBytes(flags.model));
  const { best, routes } = planRoute(usable, { from, to, fullBytes });
  if (best === undefined) throw noRoute(`no payload of "${flags.folder}" leads from ${from} to ${to}`);
  const json = { from, to, best: describe(best), routes: routes.map(describe), skipped };
  const lines = [`from  ${from}`, `to    ${to}`, ...tableOf(routes), explain(best, routes)];
  printResult(io, flags, { json, lines });
}

/** A file that is no payload, or a damaged one. */
interface Skipped {
  readonly file: string;
  readonly code: string;
  readonly message: string;
}

async function readEdges(folder: string): Promise<{ edges: RouteEdge[]; skipped: Skipped[] }> {
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

/** @returns the fingerprint that a fingerprint, the start of one that payloads name, or a model's path means */
async function resolveModel(text: string, known: ReadonlySet<string>, io: Io): Promise<string> {
  if (FINGERPRINT.test(text)) return text;
  const matches = PREFIX.test(text) ? [...known].filter((id) => id.startsWith(text)) : [];
  if (matches.length === 1) return matches[0] as string;
  if (matches.length > 1)
    throw new RangeError(
      `Cannot use "${text}": expected the start of one fingerprint, got that of ${matches.join(', ')}`,
    );
  try {
    return hex(await withModel({ path: text }, (store) => fingerprint(store, { signal: io.signal })));
  } catch (error) {
    const isPath = !(error instanceof NeuralDiffError && error.code === 'file-not-found');
    if (isPath || !PREFIX.test(text)) throw error;
    throw noRoute(`no payload names a model that begins with ${text}, and no model lies there`);
  }
}

/** @returns what the weights of a model take; nothing without a path */
async function modelBytes(path: string | undefined): Promise<number | undefined> {
  return path === undefined ? undefined : withModel({ path }, async ({ tensors }) => totalBytes(tensors));
}

function noRoute(why: string): NeuralDiffError {
  return new NeuralDiffError('no-route', `Cannot plan: ${why}`);
}

function describe({ kind, edges, bytes, steps }: Route) {
  return { kind, bytes, steps, isEstimate: kind === 'composed', files: edges.map(({ name }) => name) };
}

function tableOf(routes: readonly Route[]): string[] {
  const rows = routes.map(({ kind, bytes, steps }) => [
    kind,
    kind === 'composed' ? `about ${bytes}` : String(bytes),
    String(steps),
  ]);
  const files = ['files', ...routes.map(({ edges }) => edges.map(({ name }) => name).join(', '))];
  return alignColumns([['route', 'bytes', 'steps'], ...rows]).map((line, i) =>
    `${line}  ${files[i]}`.trimEnd(),
  );
}

const WORDS: Readonly<Record<Route['kind'], string>> = {
  none: 'nothing to do: the models are the same',
  direct: 'take the direct payload',
  composed: 'compose the payloads into one and take that',
  chain: 'take the payloads one after the other',
  full: 'take the full model',
};

function explain(best: Route, routes: readonly Route[]): string {
  const others = routes.filter((route) => route !== best).sort((a, b) => a.bytes - b.bytes);
  const [next] = others;
  const words = WORDS[best.kind];
  if (best.kind === 'none') return words;
  if (next === undefined) return `${words}: there is no other way`;
  if (next.bytes > best.bytes)
    return `${words}: ${next.bytes - best.bytes} bytes less than the next best, ${next.kind}`;
  const why = next.steps > best.steps ? 'in fewer steps' : 'and first in order';
  return `${words}: as many bytes as ${next.kind}, ${why}`;
}
