import { join } from 'node:path';
import { printable } from '../../src/model/printable.js';
import { serveBoard } from '../../src/recipe/farm/board.js';
import { JobQueue, type QueueFacts } from '../../src/recipe/farm/queue.js';
import { listRecipes } from '../../src/recipe/farm/recipe-files.js';
import { readReason, serveJobs, type WorkerEvent } from '../../src/recipe/farm/serve-jobs.js';
import { PREDICT_WORKER } from '../../src/report/measure/farm-predictions.js';
import { type CommonFlags, defineCommand, type Flags, type FlagsOf } from '../command.js';
import { EXIT, summarise, UsageError } from '../exit-codes.js';
import { openStore } from '../farm-store.js';
import { STORE, WORK } from '../flags.js';
import { countOf, type Io, printResult, remark } from '../io.js';
import { readVersion } from '../version.js';

const FLAGS = {
  queue: {
    type: 'string',
    placeholder: 'url',
    isRequired: true,
    description: 'Queue on Redis: redis://:password@host:6379, or rediss:// for TLS',
  },
  store: STORE,
  slots: { type: 'number', placeholder: 'n', default: 1, description: 'For worker: jobs to run at once' },
  recipes: {
    type: 'string',
    placeholder: 'folder',
    isRepeated: true,
    description: 'For worker: folder of recipes that it may run; may be repeated',
  },
  allowRecipe: {
    type: 'string',
    placeholder: 'digest',
    isRepeated: true,
    description: 'For worker: digest of a recipe that it may run; may be repeated',
  },
  work: WORK,
  port: { type: 'number', placeholder: 'n', default: 3000, description: 'For board: port to listen on' },
  host: {
    type: 'string',
    placeholder: 'name',
    default: '127.0.0.1',
    description: 'For board: address to listen on and to open the page at; it has no password',
  },
} as const satisfies Flags;

type FarmFlags = FlagsOf<typeof FLAGS> & CommonFlags;

export const command = defineCommand({
  group: 'Train on many machines',
  summary: 'Run a farm worker, or manage the queue of a farm',
  details: [
    'worker: run jobs queued by sweep, train, tune and report with --queue, until Ctrl-C. Any number of ' +
      'workers on any number of machines share a queue on Redis (BullMQ) and a store: a folder that all of ' +
      'them can write to, or an S3 bucket. If a worker is lost, its job continues on another one after the ' +
      'last completed epoch. A worker runs only recipes that it was told to trust, and only jobs of its ' +
      'own version.',
    'status: show queued, running and failed jobs. retry: queue failed jobs again. drain: remove waiting ' +
      'jobs. board: serve a web page of the queue (bull-board), until Ctrl-C.',
  ],
  args: {
    action: {
      type: 'string',
      isRequired: true,
      choices: ['worker', 'status', 'retry', 'drain', 'board'],
      description: 'What to do',
    },
  },
  flags: FLAGS,
  examples: [
    {
      description: 'Run a worker for the recipes in a folder',
      run: 'farm worker --queue redis://farm.example:6379 --store /mnt/farm --recipes recipes',
    },
    { description: 'Show the queue in a browser', run: 'farm board --queue redis://farm.example:6379' },
    { description: 'Show what is queued', run: 'farm status --queue redis://farm.example:6379' },
  ],
  async handle(flags, io) {
    const { action } = flags;
    if (action === 'worker') return work(flags, io);
    if (action === 'board') return showBoard(flags, io);
    const queue = await JobQueue.connect(flags.queue);
    try {
      if (action === 'status') printStatus(await queue.facts(), flags, io);
      else if (action === 'retry') printCount(await queue.retry(), 'queued again', { flags, io });
      else printCount(await queue.drain(), 'removed', { flags, io });
      return EXIT.done;
    } finally {
      await queue.close();
    }
  },
});

async function showBoard(flags: FarmFlags, io: Io): Promise<number> {
  const { queue, host, port } = flags;
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new RangeError(`Cannot listen at port ${port}: expected a whole number from 0 to 65535`);
  const onReady = (address: string): void => {
    if (flags.json) io.out(`${JSON.stringify({ address })}\n`);
    else remark(io, flags, `${address}; Ctrl-C ends`);
  };
  await serveBoard(queue, { host, port, signal: io.signal, onReady });
  return EXIT.done;
}

async function work(flags: FarmFlags, io: Io): Promise<number> {
  const { slots, recipes, allowRecipe } = flags;
  if (flags.store === undefined) throw new UsageError('Expected --store with farm worker');
  if (!Number.isInteger(slots) || slots < 1)
    throw new RangeError(`Cannot work with ${slots} slots: expected a whole number of at least 1`);
  const allowed = new Set(allowRecipe);
  for (const folder of recipes) for (const digest of await listRecipes(folder)) allowed.add(digest);
  if (allowed.size === 0)
    throw new UsageError('Expected --recipes or --allow-recipe: a worker runs only recipes that you trust');
  const store = await openStore(flags.store);
  const queue = await JobQueue.connect(flags.queue);
  try {
    remark(io, flags, `ready: ${countOf(slots, 'slot')}, ${countOf(allowed.size, 'recipe')}; Ctrl-C ends`);
    await serveJobs(queue, {
      store,
      work: join(flags.work, String(process.pid)),
      version: readVersion(),
      predictor: PREDICT_WORKER,
      slots,
      recipes: allowed,
      signal: io.signal,
      onEvent: (event) => printEvent(event, flags, io),
    });
    return EXIT.done;
  } finally {
    await queue.close();
  }
}

function printEvent({ type, id, what, error }: WorkerEvent, flags: FarmFlags, io: Io): void {
  const why = error === undefined ? '' : `: ${error.message}`;
  const failure = error && summarise(error);
  const { code, facts } = failure ?? {};
  if (flags.json)
    io.out(`${JSON.stringify({ event: type, id, what, error: error?.message, code, facts })}\n`);
  else io.err(`${printable(`${type.padEnd(10)}  ${id.slice(0, 12)}  ${what}${why}`)}\n`);
}

function printStatus(facts: QueueFacts, flags: FarmFlags, io: Io): void {
  const { waiting, running, failed, failures, workers, seconds } = facts;
  const mean = seconds.reduce((sum, each) => sum + each, 0) / Math.max(1, seconds.length);
  const left = waiting + running;
  const eta = seconds.length > 0 && running > 0 ? Math.ceil((left * mean) / running) : undefined;
  const lines = [
    `waiting  ${waiting}`,
    `running  ${running}${eta === undefined ? '' : `, about ${eta} s to go`}`,
    `failed   ${failed}`,
    ...failures.map(
      ({ id, reason, tries }) =>
        `  ${id.slice(0, 12)}  after ${tries} of 3 tries: ${readReason(reason).message}`,
    ),
    ...(failed > failures.length ? [`  and ${failed - failures.length} before these`] : []),
    `workers  ${workers.length}${workers.length === 0 ? '' : `: ${workers.join(', ')}`}`,
  ];
  const errors = failures.map(({ id, reason, tries }) => {
    const { code, message } = summarise(readReason(reason));
    return { id, tries, code, message };
  });
  const json = { waiting, running, failed, failures: errors, workers, etaSeconds: eta };
  printResult(io, flags, { json, lines });
}

function printCount(count: number, what: string, { flags, io }: { flags: FarmFlags; io: Io }): void {
  printResult(io, flags, { json: { jobs: count }, lines: [`${countOf(count, 'job')} ${what}`] });
}
