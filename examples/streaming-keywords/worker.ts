// The program of the page's worker: recognises sound that the page sends, and updates its model meanwhile.

import { type NeuralDiffError, openLayersStore, openMemoryFiles } from 'neural-diff';
import { createUpdater, openHttpSource, type Updater } from 'neural-diff/updater';
import { createFramer } from './frames.js';
import { type LiveFrame, type LiveRecogniser, openLiveRecogniser } from './live-recogniser.js';
import { createLiveStorage, createMemoryDisk } from './live-storage.js';
import type { FromWorker, ToWorker } from './messages.js';
import { createStreamResampler } from './resample-stream.js';
import { CLASSES } from './vocabulary.js';

/** Root metadata of the repository: put into this script when it is bundled. */
declare const ROOT_METADATA: string;

const post = (message: FromWorker): void => postMessage(message);
const addressOf = (path: string): string => new URL(path, location.href).href;

async function download(path: string): Promise<Uint8Array> {
  const response = await fetch(addressOf(path));
  if (!response.ok) throw new Error(`${path}: the server answers with status ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

const parse = (json: Uint8Array): unknown => JSON.parse(new TextDecoder().decode(json));

/** Waits for the next task. A timer would wait for 4 ms, a tenth of a frame. */
function nextTask(): Promise<unknown> {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = () => {
      port1.close();
      resolve(undefined);
    };
    port2.postMessage(undefined);
  });
}

/** Downloads the model, which is small enough to be kept in memory. */
async function openModel(): Promise<LiveRecogniser> {
  const json = await download('base/model.json');
  const { weightsManifest } = parse(json) as { weightsManifest: { paths: string[] }[] };
  const files = new Map([['model.json', json]]);
  for (const path of weightsManifest.flatMap(({ paths }) => paths))
    files.set(path, await download(`base/${path}`));
  const { threshold } = parse(await download('settings.json')) as { threshold: number };
  const store = await openLayersStore(openMemoryFiles(files));
  return openLiveRecogniser(store, { threshold, onFrame: tell, pause: nextTask });
}

let live: LiveRecogniser;

function tell({ frame, branch, waiting, updates, word }: LiveFrame): void {
  const { received } = live.counts;
  const named = word === undefined ? {} : { word: CLASSES[word] as string };
  post({ type: 'frame', frame, branch, waiting, received, updates, ...named });
}

function createLiveUpdater(): Updater {
  return createUpdater({
    storage: createLiveStorage(live),
    disk: createMemoryDisk(),
    folder: 'updates',
    source: openHttpSource({ url: addressOf('releases') }),
    root: new TextEncoder().encode(ROOT_METADATA),
    onEvent(event) {
      if (event.type === 'planned')
        post({ type: 'updating', text: `Downloading ${event.plan.bytes} bytes.` });
      else if (event.type === 'progress' && event.phase === 'apply')
        post({ type: 'updating', text: 'Checking the update.' });
    },
  });
}

async function update(updater: Updater): Promise<void> {
  const start = performance.now();
  try {
    const { status, plan } = await updater.update();
    if (status === 'updated') await updater.confirm();
    const ms = performance.now() - start;
    post(plan ? { type: 'updated', bytes: plan.bytes, ms } : { type: 'current' });
  } catch (error) {
    post({ type: 'failed', what: 'update', text: describe(error as NeuralDiffError) });
  }
}

function describe({ code, message }: NeuralDiffError): string {
  if (code === 'network') return 'The server cannot be reached. The model is as it was.';
  return `No update: ${message}`;
}

async function start(): Promise<void> {
  live = await openModel();
  const updater = createLiveUpdater();
  await updater.start();
  const framer = createFramer();
  let resample = createStreamResampler(16_000);
  addEventListener('message', ({ data }: MessageEvent<ToWorker>) => {
    if (data.type === 'begin') resample = createStreamResampler(data.sampleRate);
    else if (data.type === 'update') void update(updater);
    else for (const window of framer.push(resample(data.samples))) live.push(window);
  });
  const { tensors } = await live.copyModel();
  post({ type: 'ready', modelBytes: tensors.reduce((sum, { bytes }) => sum + bytes.length, 0) });
}

start().catch((error: Error) => post({ type: 'failed', what: 'model', text: error.message }));
