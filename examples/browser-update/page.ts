// The program of index.html: shows what a model hears, updates it, and shows what it hears then.

import type { NeuralDiffError } from 'neural-diff';
import { connectUpdater, type Updater, type UpdaterEvent } from 'neural-diff/updater';
import { predict } from '../common/golden.js';
import { type KeptModel, openKeptModel } from './kept-model.js';
import { DATABASE } from './names.js';

/** What `clips.json` has. */
interface Clips {
  readonly words: readonly string[];
  readonly clips: readonly { readonly word: string; readonly values: readonly number[] }[];
}

function find<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

const button = find<HTMLButtonElement>('update');
const again = find<HTMLButtonElement>('again');
const bar = find<HTMLProgressElement>('progress');
const table = find<HTMLTableSectionElement>('clips');

function say(text: string): void {
  find('status').textContent = text;
}

/** The live model and its clips, once they are loaded. */
let shown: { readonly kept: KeptModel; readonly clips: Clips } | undefined;

/** Shows what the worker does, also for other tabs. */
function onEvent(event: UpdaterEvent): void {
  if (event.type === 'updated' && !button.disabled) void follow();
  else if (event.type === 'planned') say(`Downloading ${event.plan.bytes} bytes.`);
  else if (event.type === 'self-test') say('Testing the new model.');
  else if (event.type === 'progress') {
    bar.max = event.total;
    bar.value = event.done;
  }
}

/** Fills a column of the table with what the model hears in each clip. */
function hear({ model }: KeptModel, { words, clips }: Clips, column: 'before' | 'after'): void {
  clips.forEach(({ word, values }, i) => {
    const outputs = predict(model, values);
    const best = outputs.indexOf(Math.max(...outputs));
    const cell = table.rows[i]?.cells[column === 'before' ? 1 : 2] as HTMLTableCellElement;
    const heard = words[best] as string;
    cell.textContent = `${heard} ${Math.round(100 * (outputs[best] as number))}\u00a0%`;
    cell.className = heard === word ? 'right' : 'wrong';
  });
}

function addRows({ clips }: Clips): void {
  for (const { word } of clips) {
    const row = table.insertRow();
    const head = document.createElement('th');
    head.scope = 'row';
    head.textContent = word;
    row.append(head);
    for (const column of ['before', 'after']) row.insertCell().dataset.column = column;
  }
}

async function update(updater: Updater): Promise<void> {
  button.disabled = true;
  say('Looking for a release.');
  try {
    const { status, plan } = await updater.update();
    await showStored();
    if (status === 'updated') await updater.confirm();
    bar.value = bar.max;
    say(status === 'updated' ? `Updated with ${plan?.bytes} bytes.` : 'The model is the newest one.');
  } catch (error) {
    bar.value = 0;
    say(describe(error as NeuralDiffError));
  }
  button.disabled = false;
}

/** Another tab has updated the model. */
async function follow(): Promise<void> {
  await showStored();
  say('Another tab has updated the model.');
}

/** Gives the live model the stored weights, and shows what it hears with them. */
async function showStored(): Promise<void> {
  if (shown === undefined) return;
  await shown.kept.refresh();
  hear(shown.kept, shown.clips, 'after');
}

function describe({ code, message }: NeuralDiffError): string {
  if (code === 'locked') return 'Another tab is updating the model. Try again when it is done.';
  if (code === 'network') return 'The server cannot be reached. The model is as it was.';
  return `No update: ${message}`;
}

/** A trial that the last visit did not end: the model starts, so it may stay. */
async function endTrial(updater: Updater): Promise<void> {
  if ((await updater.start()).status === 'trial') await updater.confirm();
}

async function start(): Promise<void> {
  const worker = new Worker('worker.js');
  const updater = connectUpdater(worker, { onEvent });
  await endTrial(updater);
  const kept = await openKeptModel(DATABASE);
  const clips = (await (await fetch('clips.json')).json()) as Clips;
  addRows(clips);
  hear(kept, clips, 'before');
  shown = { kept, clips };
  button.onclick = () => void update(updater);
  again.onclick = async () => {
    worker.terminate();
    await kept.close();
    indexedDB.deleteDatabase(DATABASE).onsuccess = () => location.reload();
  };
  const { counter } = await updater.status();
  say(counter === 0 ? 'This is the model as it was installed.' : `This is release ${counter}.`);
  button.disabled = false;
  again.disabled = false;
}

start().catch((error) => say(describe(error as NeuralDiffError)));
