// The program of index.html: hands sound to the worker, and shows what becomes of its frames.

import { type Listening, type ListenOptions, listenToMicrophone, playFile } from './audio.js';
import type { FrameMessage, FromWorker, ToWorker } from './messages.js';
import { createStrip } from './strip.js';

function find<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

const worker = new Worker('worker.js');
const tell = (message: ToWorker, transfer: Transferable[] = []): void =>
  worker.postMessage(message, transfer);
const strip = createStrip(find<HTMLCanvasElement>('strip'));
const STARTS = ['sample', 'choose', 'microphone'] as const;

/** Words that stay on the page. */
const SHOWN_WORDS = 60;

/** Frames so far; one is dropped if its number is never seen. */
const seen = { processed: 0, full: 0, next: 0, dropped: 0, updates: 0 };

let listening: Listening | undefined;

function write(id: string, text: string | number): void {
  find(id).textContent = String(text);
}

function enable(ids: readonly string[], isEnabled: boolean): void {
  for (const id of ids) find<HTMLButtonElement>(id).disabled = !isEnabled;
}

function showFrame(message: FrameMessage): void {
  const { frame, branch, waiting, received, updates, word } = message;
  seen.processed += 1;
  seen.dropped += Math.max(0, frame - seen.next);
  seen.next = frame + 1;
  seen.full += branch === 'full' ? 1 : 0;
  if (word !== undefined) addWord(word, { frame, isNew: updates > 0 });
  strip.add(message);
  write('received', received);
  write('processed', seen.processed);
  write('waiting', waiting);
  write('dropped', seen.dropped);
  write('share', `${Math.round((100 * seen.full) / seen.processed)} %`);
  write('updates', updates);
}

function addWord(word: string, { frame, isNew }: { frame: number; isNew: boolean }): void {
  const item = document.createElement('li');
  item.textContent = word;
  item.title = `after ${(0.04 * frame).toFixed(1)} s`;
  if (isNew) item.className = 'new';
  const list = find('words');
  list.append(item);
  if (list.children.length > SHOWN_WORDS) list.firstElementChild?.remove();
  const note = find('silence');
  if (isNew) note.textContent = 'Green: heard after the update.';
  note.hidden = !isNew;
}

const SAID: { [Type in FromWorker['type']]: (message: Extract<FromWorker, { type: Type }>) => void } = {
  frame: showFrame,
  ready({ modelBytes }) {
    write('sound', `The model has ${modelBytes.toLocaleString('en')} bytes.`);
    enable([...STARTS, 'update'], true);
  },
  updating: ({ text }) => write('status', text),
  updated({ bytes, ms }) {
    write('status', `Updated with ${bytes.toLocaleString('en')} bytes in ${Math.round(ms)} ms.`);
    enable(['update'], true);
  },
  current() {
    write('status', 'The model is the newest one.');
    enable(['update'], true);
  },
  failed({ what, text }) {
    write(what === 'model' ? 'sound' : 'status', text);
    enable(['update'], what === 'update');
  },
};

worker.onmessage = ({ data }: MessageEvent<FromWorker>) => SAID[data.type](data as never);

/** Begins to listen; whatever was heard before is over. */
async function listen(name: string, open: (options: ListenOptions) => Promise<Listening>): Promise<void> {
  enable(STARTS, false);
  const early: Float32Array[] = [];
  const send = (samples: Float32Array): void => tell({ type: 'sound', samples }, [samples.buffer]);
  const onEnd = (): void => {
    listening = undefined;
    write('sound', `${name} is over.`);
    enable(STARTS, true);
    enable(['stop'], false);
  };
  try {
    // Sound may come before it is known at which rate.
    const onSound = (samples: Float32Array): void => void (listening ? send(samples) : early.push(samples));
    listening = await open({ onSound, onEnd });
    tell({ type: 'begin', sampleRate: listening.sampleRate });
    early.forEach(send);
    write('sound', `${name} is heard.`);
    enable(['stop'], true);
  } catch (error) {
    write('sound', `${name} cannot be heard: ${(error as Error).message}`);
    enable(STARTS, true);
  }
}

async function playSample(options: ListenOptions): Promise<Listening> {
  const response = await fetch('sample.wav');
  if (!response.ok) throw new Error(`the server answers with status ${response.status}`);
  return playFile(await response.arrayBuffer(), options);
}

const file = find<HTMLInputElement>('file');
find('sample').onclick = () => void listen('The sample', playSample);
find('choose').onclick = () => file.click();
find('microphone').onclick = () => void listen('The microphone', listenToMicrophone);
find('stop').onclick = () => listening?.stop();
find('update').onclick = () => {
  enable(['update'], false);
  write('status', 'Looking for a release.');
  tell({ type: 'update' });
};
file.onchange = () => {
  const chosen = file.files?.[0];
  file.value = '';
  if (chosen) void listen(chosen.name, async (options) => playFile(await chosen.arrayBuffer(), options));
};
addEventListener('resize', () => strip.draw());
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => strip.draw());
