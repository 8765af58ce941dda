import { planRoute, type Route } from '../../src/chain/plan-route.js';
import { totalBytes } from '../../src/model/tensor.js';
import { defineCommand } from '../command.js';
import { UsageError } from '../exit-codes.js';
import { alignColumns, printResult, remark } from '../io.js';
import { withModel } from '../open.js';
import { noRoute, readUpdates, resolveModel } from '../routes.js';

/** How a model is named where its fingerprint is enough. */
const HOW_NAMED = 'a fingerprint, a prefix of one, or a model';

export const command = defineCommand({
  group: 'Work with several diffs',
  summary: 'Find the payloads that update a device to a model with the fewest bytes',
  details: [
    'Compares the payloads in a folder, in sequence or combined into one, and the full model if its ' +
      'size is given with --model or --full-bytes. In a repository, compares the live releases, including ' +
      'whole models.',
  ],
  args: { folder: { type: 'string', isRequired: true, description: 'Folder with *.ndiff, or a repository' } },
  flags: {
    from: {
      type: 'string',
      placeholder: 'model',
      isRequired: true,
      description: `Model on the device: ${HOW_NAMED}`,
    },
    to: {
      type: 'string',
      placeholder: 'model',
      isRequired: true,
      description: `Target model: ${HOW_NAMED}`,
    },
    model: {
      type: 'string',
      placeholder: 'model',
      description: 'Consider a full model of the same size as this one',
    },
    fullBytes: { type: 'number', placeholder: 'bytes', description: 'Consider a full model of this size' },
    compose: {
      type: 'boolean',
      default: true,
      description: 'Do not consider combining payloads',
    },
  },
  examples: [
    {
      description: 'Plan an update from a model on disk to a fingerprint that starts with 3f2a',
      run: 'plan updates --from models/v1 --to 3f2a --full-bytes 600332',
    },
  ],
  exits: { wrongBase: 'No payload leads from one model to the other' },
  async handle(flags, io) {
    if (flags.model !== undefined && flags.fullBytes !== undefined)
      throw new UsageError('Expected either --model or --full-bytes');
    const { edges, skipped, wholes } = await readUpdates(flags.folder);
    for (const { file, message } of skipped) remark(io, flags, `skipped ${file}: ${message}`);
    const known = new Set(edges.flatMap(({ base, next }) => [base, next]));
    const from = await resolveModel(flags.from, known, io);
    const to = await resolveModel(flags.to, known, io);
    const usable = flags.compose ? edges : edges.map(({ opBytes: _opBytes, ...edge }) => edge);
    const fullBytes = flags.fullBytes ?? (await modelBytes(flags.model)) ?? wholes?.get(to);
    const { best, routes } = planRoute(usable, { from, to, fullBytes });
    if (best === undefined) throw noRoute(`no payload of "${flags.folder}" leads from ${from} to ${to}`);
    const json = { from, to, best: describe(best), routes: routes.map(describe), skipped };
    const lines = [`from  ${from}`, `to    ${to}`, ...tableOf(routes), explain(best, routes)];
    printResult(io, flags, { json, lines });
  },
});

/** @returns the bytes of a model's weights; undefined without a path */
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
  if (next === undefined) return `${words}: there is no other route`;
  if (next.bytes > best.bytes)
    return `${words}: ${next.bytes - best.bytes} bytes less than the next best, ${next.kind}`;
  const why = next.steps > best.steps ? 'in fewer steps' : 'and first in order';
  return `${words}: as many bytes as ${next.kind}, ${why}`;
}
