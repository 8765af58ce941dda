// The program of the playground.

import { render } from 'preact';
import { useState } from 'preact/hooks';
import { CompareView, type Pair } from './compare-view.js';
import type { PickedFile } from './jobs.js';
import type { Samples } from './samples.js';
import { TrainView } from './train-view.js';

/** What comes with the page: put into this script when it is bundled. */
declare const SAMPLES: Samples;

function blobOf(base64: string): Blob {
  return new Blob([Uint8Array.from(atob(base64), (sign) => sign.charCodeAt(0))]);
}

const open = (files: Samples['base']): PickedFile[] =>
  files.map(({ path, base64 }) => ({ path, blob: blobOf(base64) }));

const examples = { inputs: SAMPLES.inputs, names: SAMPLES.names };
const samples: Readonly<Record<string, Pair>> = {
  'Two models': { base: open(SAMPLES.base), next: open(SAMPLES.full), ...examples },
  'A model and a trained payload': {
    base: open(SAMPLES.base),
    next: [{ path: 'shapes.ndiff', blob: blobOf(SAMPLES.payload) }],
    ...examples,
  },
};

function Playground() {
  const [pair, setPair] = useState<Pair>({ base: [], next: [] });
  const onTrained = (trained: Pair): void => {
    setPair(trained);
    document.getElementById('compare')?.scrollIntoView();
  };
  return (
    <>
      <CompareView pair={pair} onPair={setPair} samples={samples} />
      <TrainView digests={SAMPLES.digests} onPair={onTrained} />
    </>
  );
}

const main = document.getElementById('main') as HTMLElement;
main.textContent = '';
render(<Playground />, main);
