import { createRandom, shuffled } from '../common/random.js';
import { type ExampleFacts, type Split, splitStages } from '../common/staged-examples.js';
import { CAMERAS, photograph } from './camera.js';
import { DEFAULT_FOLDER, PICTURE_PIXELS, PICTURE_SIDE, type Pictures, readPictures } from './idx.js';

/** What Fashion-MNIST calls its classes, by number. */
const NAMES = [
  ...['T-shirt', 'trousers', 'pullover', 'dress', 'coat'],
  ...['sandal', 'shirt', 'sneaker', 'bag', 'ankle boot'],
] as const;

/** Classes that each stage adds, the base model's first. */
export const CLASSES_BY_STAGE: readonly (readonly (typeof NAMES)[number][])[] = [
  ['T-shirt', 'trousers', 'dress', 'sandal', 'bag'],
  ['pullover'],
  ['sneaker'],
  ['coat'],
  ['ankle boot'],
  ['shirt'],
];

/** The shape the model takes a picture in. */
export const PICTURE_SHAPE = [PICTURE_SIDE, PICTURE_SIDE, 1] as const;

/** Pictures of each class: by the straight camera, and by each of the others. */
export interface Counts {
  readonly straight: number;
  readonly other: number;
}

/** Pictures a class; those of the test are other pictures for each camera, a thousand in all. */
export const COUNTS: Readonly<Record<keyof Split, Counts>> = {
  train: { straight: 700, other: 250 },
  validation: { straight: 100, other: 40 },
  test: { straight: 400, other: 120 },
};

/** Where pictures come from, and which are taken. */
export interface GarmentDataOptions {
  /** Folder of the four files, default that of the Debian package. */
  readonly folder?: string;
  /** Fixes everything that is random, default 1. */
  readonly seed?: number;
  /** Pictures a class, default `COUNTS`. */
  readonly counts?: Readonly<Record<keyof Split, Counts>>;
  /** Called now and then with the pictures made so far and in all. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** Pictures and labels, ready for training. */
export interface GarmentData {
  /** All labels of all stages: the model has an output for each from the start. */
  readonly labels: readonly string[];
  /** Every stage: the base model, then each update with everything known until then. */
  readonly stages: readonly Split[];
  /** What each stage adds, in words. */
  readonly adds: readonly string[];
}

/** One picture to be taken. */
interface Shot extends ExampleFacts {
  readonly camera: number;
  /** Which of the pictures of a part. */
  readonly picture: number;
}

/** Pictures between two progress reports. */
const PROGRESS_STEP = 500;

/**
 * Load the pictures of a base model and five updates. Each update adds a class and a camera, which shows all
 * classes known by then. Training and validation are pictures of the set's training part, tests of its test
 * part; none is used twice.
 *
 * @param options source and seed; equal options give equal data
 * @throws PicturesError `missing`, `bad-file`; the signal's reason
 */
export async function loadGarmentData(options: GarmentDataOptions = {}): Promise<GarmentData> {
  const { folder = DEFAULT_FOLDER, seed = 1, counts = COUNTS, onProgress, signal } = options;
  const parts = { train: await readPictures(folder, 'train'), test: await readPictures(folder, 't10k') };
  signal?.throwIfAborted();
  const facts = [
    ...planShots(parts.train, { splits: ['train', 'validation'], counts, seed }),
    ...planShots(parts.test, { splits: ['test'], counts, seed }),
  ];
  const features = new Float32Array(facts.length * PICTURE_PIXELS);
  facts.forEach(({ camera, picture, split }, index) => {
    const { pixels } = split === 'test' ? parts.test : parts.train;
    const own = pixels.subarray(picture * PICTURE_PIXELS, (picture + 1) * PICTURE_PIXELS);
    const shot = { seed, name: `${split === 'test' ? 'test' : 'train'}/${picture}` };
    features.set(photograph(own, CAMERAS[camera] as (typeof CAMERAS)[number], shot), index * PICTURE_PIXELS);
    if ((index + 1) % PROGRESS_STEP === 0) onProgress?.(index + 1, facts.length);
  });
  signal?.throwIfAborted();
  const source = { labels: CLASSES_BY_STAGE.flat(), facts, features, shape: PICTURE_SHAPE };
  return {
    labels: source.labels,
    stages: splitStages({ ...source, stages: CAMERAS.length }, seed),
    adds: CLASSES_BY_STAGE.map((names, stage) => [...names, CAMERAS[stage]?.name].join(', ')),
  };
}

/** Deals the pictures of each class out to splits and cameras, in a random order. */
function planShots(
  { labels }: Pictures,
  plan: { splits: readonly (keyof Split)[]; counts: Required<GarmentDataOptions>['counts']; seed: number },
): Shot[] {
  const { splits, counts, seed } = plan;
  const classes = CLASSES_BY_STAGE.flatMap((names, stage) => names.map((name) => ({ name, stage })));
  return classes.flatMap(({ name, stage }, label) => {
    const number = NAMES.indexOf(name);
    const all = Array.from(labels.keys()).filter((picture) => labels[picture] === number);
    const order = shuffled(all, createRandom(seed, `pictures/${splits}/${name}`)).values();
    return splits.flatMap((split) =>
      CAMERAS.flatMap((_, camera) =>
        Array.from({ length: camera === 0 ? counts[split].straight : counts[split].other }, () => {
          const picture = order.next().value;
          if (picture === undefined) throw new RangeError(`Cannot deal pictures: too few of "${name}"`);
          return { label, stage: Math.max(stage, camera), split, camera, picture };
        }),
      ),
    );
  });
}
