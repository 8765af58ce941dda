import type { DiffKind, TaskName, Trained } from './jobs.js';
import { CLASSES, SHAPES, TASKS } from './tasks.js';
import { train } from './train.js';
import { DEFAULTS, digestKey } from './training-defaults.js';

/** What comes with the page, so that it needs no server; bytes in base64. */
export interface Samples {
  readonly base: readonly SampleFile[];
  readonly full: readonly SampleFile[];
  readonly payload: string;
  /** An example of each class. */
  readonly inputs: readonly (readonly number[])[];
  readonly names: readonly string[];
  /** SHA-256 of the payloads that Node.js trains with the defaults, by task and kind. */
  readonly digests: Readonly<Record<string, string>>;
}

interface SampleFile {
  readonly path: string;
  readonly base64: string;
}

/** Makes the samples in Node.js: ten seconds of training. */
export async function makeSamples(): Promise<Samples> {
  const digests: Record<string, string> = {};
  let shown: Trained | undefined;
  for (const task of Object.keys(TASKS) as TaskName[]) {
    for (const kind of ['hash', 'sparse'] as DiffKind[]) {
      const trained = await train({ ...DEFAULTS, task, kind }, { epoch: () => {} });
      digests[digestKey({ ...DEFAULTS, task, kind })] = trained.sha256;
      if (task === 'pictures') shown = trained;
    }
  }
  const { files, fullFiles, payload } = shown as Trained;
  const { xs } = TASKS.pictures.draw(CLASSES, 1, 'shown');
  const values = Array.from(xs.dataSync(), (value) => Math.round(100 * value) / 100);
  const size = values.length / CLASSES;
  return {
    base: files.map(encode),
    full: fullFiles.map(encode),
    payload: Buffer.from(payload).toString('base64'),
    inputs: Array.from({ length: CLASSES }, (_, i) => values.slice(i * size, (i + 1) * size)),
    names: SHAPES,
    digests,
  };
}

const encode = ({ path, bytes }: Trained['files'][number]): SampleFile => ({
  path,
  base64: Buffer.from(bytes).toString('base64'),
});
