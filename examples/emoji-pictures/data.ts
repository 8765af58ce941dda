import { createRandom, shuffled } from '../common/random.js';
import { type ExampleFacts, type Split, splitStages } from '../common/staged-examples.js';
import { LABELS } from './labels.js';
import { DARK, PICTURE_NUMBERS, PICTURE_SHAPE, type Screen, show, VARIED } from './screen.js';
import { type EmojiPicture, readPictures, STYLES } from './sheets.js';

/** Share of a label's families that a split gets; training gets the rest. */
const SHARES = { test: 0.35, validation: 0.1 } as const;

/** Families that a label has at most: there are 259 flags. */
const LABEL_FAMILIES = 80;

/** Shots of each picture to learn from; of the others, there is one. */
const TRAINING_SHOTS = 2;

/** The last stage, which shows pictures of all styles on dark backgrounds, a shot each. */
const DARK_STAGE = STYLES.length;

/** Where pictures come from, and which are taken. */
export interface EmojiDataOptions {
  /** Fixes everything that is random, default 1. */
  readonly seed?: number;
  /** Share of the families that are taken, above 0 and at most 1, default 1. */
  readonly share?: number;
  readonly signal?: AbortSignal;
}

/** Pictures and labels, ready for training. */
export interface EmojiData {
  /** What pictures show: the model has an output for each. */
  readonly labels: readonly string[];
  /** Every stage: the base model, then each update with everything known until then. */
  readonly stages: readonly Split[];
  /** What each stage adds, in words. */
  readonly adds: readonly string[];
}

/** One picture to be shown. */
export interface Shot extends ExampleFacts {
  readonly picture: EmojiPicture;
  readonly screen: Screen;
  /** Names what is drawn by chance. */
  readonly name: string;
}

/**
 * Load the pictures of a base model and four updates. The base model knows all emoji in one style, by two
 * shots each; its tests are other shots. Each update adds a style, the last one dark backgrounds, and of that
 * only some families of emoji are learned from: the tests are of others, which nothing learns from in it.
 *
 * @param options equal options give equal data
 * @throws SourceError `missing`; the signal's reason
 */
export async function loadEmojiData(options: EmojiDataOptions = {}): Promise<EmojiData> {
  const { seed = 1, share = 1, signal } = options;
  const pictures = await readPictures();
  signal?.throwIfAborted();
  return stageEmoji(pictures, { seed, share });
}

/** Shows pictures as the stages of a base model and of its updates need them. */
export function stageEmoji(
  pictures: readonly EmojiPicture[],
  { seed, share }: { seed: number; share: number },
): EmojiData {
  const facts = planShots(pictures, { seed, share });
  const features = new Float32Array(facts.length * PICTURE_NUMBERS);
  facts.forEach(({ picture, screen, name }, index) => {
    features.set(show(picture.pixels, screen, { seed, name }), index * PICTURE_NUMBERS);
  });
  const source = { labels: LABELS, facts, features, shape: PICTURE_SHAPE };
  return {
    labels: LABELS,
    stages: splitStages({ ...source, stages: DARK_STAGE + 1 }, seed),
    adds: [...STYLES, 'all styles on dark backgrounds'],
  };
}

/**
 * Deals families of emoji out to splits and says how each picture is shown. Emoji that differ by skin tone,
 * gender or direction are of one family, so updates are tested on emoji that they have taught in no variant.
 */
export function planShots(
  pictures: readonly EmojiPicture[],
  { seed, share }: { seed: number; share: number },
): Shot[] {
  const splits = dealFamilies(pictures, { seed, share });
  return pictures.flatMap((picture) => {
    const { label, family, style, points } = picture;
    const dealt = splits.get(family);
    if (dealt === undefined) return [];
    const stage = STYLES.indexOf(style);
    const shotOf = (split: keyof Split, name: string): Shot => {
      return { label, split, picture, stage, screen: VARIED, name: `${style}/${points}/${split}${name}` };
    };
    const learned = Array.from({ length: TRAINING_SHOTS }, (_, shot) => shotOf('train', `${shot}`));
    const own = dealt === 'train' ? [] : [shotOf(dealt, '')];
    const dark = { ...shotOf(dealt, 'dark'), stage: DARK_STAGE, screen: DARK };
    return [...(stage === 0 || dealt === 'train' ? learned : []), ...own, dark];
  });
}

/** @returns the split of each family that is taken */
function dealFamilies(
  pictures: readonly EmojiPicture[],
  { seed, share }: { seed: number; share: number },
): Map<string, keyof Split> {
  const labels = new Map<string, number>();
  for (const { family, label } of pictures) if (!labels.has(family)) labels.set(family, label);
  const splits = new Map<string, keyof Split>();
  LABELS.forEach((name, label) => {
    const all = [...labels.keys()].filter((family) => labels.get(family) === label);
    const order = shuffled(all, createRandom(seed, `families/${name}`)).slice(0, LABEL_FAMILIES);
    const taken = order.slice(0, Math.ceil(order.length * share));
    taken.forEach((family, i) => {
      splits.set(family, splitAt((i + 0.5) / taken.length));
    });
  });
  return splits;
}

function splitAt(position: number): keyof Split {
  if (position < SHARES.test) return 'test';
  return position < SHARES.test + SHARES.validation ? 'validation' : 'train';
}
