// A streaming recogniser that is updated while it listens: `npm run demo -- streaming`.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type * as tf from '@tensorflow/tfjs';
import { applyPayload } from 'neural-diff/apply';
import { openModel } from 'neural-diff/node';
import { openLiveModel } from 'neural-diff/tfjs';
import type { StepReport, TrainedDiff } from 'neural-diff/train';
import { Console } from '../common/console.js';
import { DEMO_OPTIONS } from '../common/demo-options.js';
import { saveModel } from '../common/train-base.js';
import { serveFolder } from '../device-server/serve-folder.js';
import { loadStreams, type StageSets } from './data.js';
import { formatStreaming, measureModel, type StreamingResult, thresholdFor } from './device-result.js';
import { playLive } from './play-live.js';
import { publishSite } from './site.js';
import { makeTestSound, type TestSound, twice } from './sound.js';
import { networkOf, trainRecogniser, trainUpdate } from './train-update.js';

/** Share of the streams of the bench: enough for a recogniser that hears most words. */
const SHARE = 0.4;

const EPOCHS = { dense: 14, routed: 14, reference: 8, diff: 8 } as const;

/** Streams of 8 seconds that are played. */
const PLAYED = 8;

/** Exit status of a program that Ctrl-C ended. */
const INTERRUPTED = 130;

const { data: _data, ...OPTIONS } = DEMO_OPTIONS;
const { values: flags } = parseArgs({
  options: {
    ...OPTIONS,
    serve: { type: 'boolean', default: false },
    port: { type: 'string', default: '8080' },
  },
});

const HELP = `Trains a streaming recogniser and an update of it, and applies the update while sound is recognised.

  npm run demo -- streaming                       synthetic speech; some minutes
  npm run demo -- streaming --serve --port 9000   serves a page that recognises files and the microphone
  npm run -s demo -- streaming --json             one JSON document on stdout
  npm run demo -- streaming --keep DIR --seed 2   keep model and payload; another seed
`;

/** What the stages of the demo share. */
interface Run {
  readonly seed: number;
  readonly folder: string;
  readonly screen: Console;
  readonly signal: AbortSignal;
}

/** A recogniser in the folder `base`, and its update. */
interface Trained {
  readonly model: tf.LayersModel;
  readonly diff: TrainedDiff;
  readonly threshold: number;
  /** Streams of the update. */
  readonly sets: StageSets;
  /** Sound that is played. */
  readonly sound: TestSound;
}

async function train({ seed, folder, screen, signal }: Run): Promise<Trained> {
  screen.start('making streams of synthetic speech');
  const [first, second] = (await loadStreams(seed, SHARE)) as [StageSets, StageSets];
  const sound = await makeTestSound(seed, PLAYED);
  signal.throwIfAborted();
  const onStep = ({ done, total, loss }: StepReport): void =>
    screen.show(`step ${done} of ${total}, loss ${loss.toFixed(3)}`);
  const options = { seed, epochs: EPOCHS, signal, onStep };
  screen.start('training the recogniser');
  const model = await trainRecogniser(first, options);
  await saveModel(model, join(folder, 'base'));
  const threshold = thresholdFor(model, first);
  screen.start('training the update');
  const diff = await trainUpdate(model, second, options);
  await writeFile(join(folder, 'update.ndiff'), diff.payload);
  return { model, diff, threshold, sets: second, sound };
}

async function run(run: Run): Promise<{ result: StreamingResult; trained: Trained }> {
  const { seed, folder, screen, signal } = run;
  const trained = await train(run);
  const { model, diff, threshold, sets, sound } = trained;
  const { payload, next } = diff;
  const network = networkOf(seed);
  const weights = model.countParams();
  screen.start('measuring both models');
  const base = measureModel(model, sets, { network, threshold, bytes: 4 * weights });
  await applyPayload(openLiveModel(model), payload);
  const updated = measureModel(model, sets, { network, threshold, bytes: payload.length });
  screen.start('playing sound, and updating meanwhile');
  const store = await openModel(join(folder, 'base'));
  const played = await playLive(store, twice(sound), { payload, threshold, signal }).finally(() =>
    store.close(),
  );
  screen.end();
  const { applied, ...live } = played;
  const bitExact = applied.fingerprint === next;
  return { trained, result: { weights, threshold, base, updated, live, bitExact } };
}

/** Serves the page until Ctrl-C. */
async function serve({ folder, screen, signal }: Run, { diff, threshold, sound }: Trained): Promise<void> {
  screen.start('publishing the update, bundling the page');
  const { samples } = sound;
  const { payload, next } = diff;
  const site = await publishSite(folder, { base: join(folder, 'base'), payload, next, threshold, samples });
  screen.end();
  const server = await serveFolder(site, Number(flags.port));
  process.stdout.write(`\npage        ${server.url}/\nrepository  ${server.url}/releases\nCtrl+C ends it\n`);
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
  await server.close();
}

async function main(): Promise<void> {
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  const folder = flags.keep ?? (await mkdtemp(join(tmpdir(), 'neural-diff-streaming-')));
  await mkdir(folder, { recursive: true });
  const screen = new Console(flags.quiet);
  const context = { seed: Number(flags.seed), folder, screen, signal: stop.signal };
  try {
    const { result, trained } = await run(context);
    process.stdout.write(flags.json ? `${JSON.stringify(result, null, 2)}\n` : formatStreaming(result));
    if (flags.serve) await serve(context, trained);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    process.stderr.write('\nInterrupted\n');
    process.exitCode = INTERRUPTED;
  } finally {
    if (flags.keep === undefined) await rm(folder, { recursive: true, force: true });
  }
}

if (flags.help) process.stdout.write(HELP);
else await main();
