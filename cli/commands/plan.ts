import { planRoute, type Route } from '../../src/chain/plan-route.js';
import { totalBytes } from '../../src/model/tensor.js';
import { alignColumns, type CommonFlags, type Io, printResult, remark } from '../io.js';
import { noRoute, readEdges, resolveModel } from '../routes.js';
import { withModel } from '../with-model.js';

/** Flags of `neural-diff plan`. */
export interface PlanFlags extends CommonFlags {
  readonly folder: string;
  readonly from: string;
  readonly to: string;
  readonly model?: string;
  readonly fullBytes?: number;
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

/** @returns what the weights of a model take; nothing without a path */
async function modelBytes(path: string | undefined): Promise<number | undefined> {
  return path === undefined ? undefined : withModel({ path }, async ({ tensors }) => totalBytes(tensors));
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
