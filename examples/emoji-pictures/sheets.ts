import { decode } from 'fast-png';
import { fetchPublished, type PublishedModel } from '../common/published.js';
import { SourceError } from '../common/source-error.js';
import { familyOf, labelOf } from './labels.js';

/** Pixels a side of a picture. */
export const PICTURE_SIDE = 32;

/** Red, green, blue and opacity. */
export const SHEET_CHANNELS = 4;

/** Where the pictures of a style are. */
interface StyleSource {
  readonly package: PublishedModel;
  /** Name in the package. */
  readonly vendor: string;
  /** Pixels from one picture of a sheet to the next, and of the margin before each. */
  readonly pitch: number;
  readonly margin: number;
}

/** Emoji 16.0. */
const RECENT: PublishedModel = {
  package: 'emoji-datasource@16.0.0',
  licence: 'MIT; pictures of Google: Apache-2.0, of Twitter: CC-BY-4.0',
  integrity:
    'sha512-/qHKqK5Nr3+8zhgO6kHmF43Fm5C8HNn0AaFRIpgw8HF3+uF0Vfc8jgLI1ZQS5ba1vBzksS8NBCjHejwLb2D/Sg==',
  files: {
    'emoji.json': '1d602e65be88772bf8cc368ce16b855d719eeddbafe128d471b80203f494d29f',
    'img/google/sheets/32.png': 'b417e9f6cd4bbc10656bbfd5e13b6e9a2545b55e6a4cf7312d75be1faaa34952',
    'img/twitter/sheets/32.png': '2767ef2e87cbfb6cc12ac46596c339549afaf0ae8771cf51100c8853f6bde632',
  },
};

/** Emoji 4.0, with the last round faces of Google, and EmojiOne 2.2.7. */
const EARLY: PublishedModel = {
  package: 'emoji-datasource@3.0.0',
  licence: 'MIT; pictures of Google: Apache-2.0, of EmojiOne 2.2.7: CC-BY-4.0',
  integrity:
    'sha512-e6ldRWMcRZYfRz6kVZELFSvTmqp1DBXDx2OhEByutGlrke9ImFyTyzBM919laGkiC5ZhT4UaABSstopTLHlq/w==',
  files: {
    'emoji.json': '8a2f7e365e6084a19f1d8e19f7e6b394e33ed571f25954abe9a5a11f565df067',
    'img/google/sheets/32.png': 'bcbc06ffa23c633406fcea6e199cfff7c4a4a4446439c51af551b0cf817ea33c',
    'img/emojione/sheets/32.png': '8b82ae156a0c0da7664be2bb074e705f4a458562304cca6ee795043d399fad8e',
  },
};

const RECENT_GRID = { package: RECENT, pitch: 34, margin: 1 };
const EARLY_GRID = { package: EARLY, pitch: 32, margin: 0 };

/** The styles, in the order that updates bring them. */
export const STYLES = ['Google', 'Twitter', 'EmojiOne', 'Google blobs'] as const;

export type Style = (typeof STYLES)[number];

const SOURCES: Readonly<Record<Style, StyleSource>> = {
  Google: { ...RECENT_GRID, vendor: 'google' },
  Twitter: { ...RECENT_GRID, vendor: 'twitter' },
  EmojiOne: { ...EARLY_GRID, vendor: 'emojione' },
  'Google blobs': { ...EARLY_GRID, vendor: 'google' },
};

/** One picture. */
export interface EmojiPicture {
  readonly style: Style;
  /** Index among the labels. */
  readonly label: number;
  /** Emoji of a family look alike. */
  readonly family: string;
  /** Code points as hexadecimal digits, joined by `-`. */
  readonly points: string;
  /** `PICTURE_SIDE` rows of as many pixels of `SHEET_CHANNELS` bytes; opacity is not multiplied in. */
  readonly pixels: Uint8Array;
}

/** The parts of `emoji.json` that are read here. */
interface Cell {
  readonly unified: string;
  readonly sheet_x: number;
  readonly sheet_y: number;
  readonly [hasPicture: `has_img_${string}`]: boolean;
}

interface Entry extends Cell {
  readonly subcategory?: string;
  readonly skin_variations?: Readonly<Record<string, Cell>>;
}

/** The skin tone that is taken besides none. */
const SKIN_TONE = '1F3FD';

/**
 * Reads the pictures of all styles from the package `emoji-datasource`, of which npm downloads two versions
 * once (25 and 22 MB).
 *
 * @returns each emoji of a label, and its medium skin tone where it has one, in every style that draws it
 * @throws SourceError `missing` where npm cannot download; Error for other bytes than those pinned
 */
export async function readPictures(): Promise<EmojiPicture[]> {
  const recent = await fetchFiles(RECENT);
  const early = await fetchFiles(EARLY);
  const labels = new Map<string, number>();
  for (const { unified, subcategory = '' } of entriesOf(recent)) {
    const label = labelOf(subcategory);
    if (label !== undefined) labels.set(plain(unified), label);
  }
  return STYLES.flatMap((style) => {
    const files = SOURCES[style].package === RECENT ? recent : early;
    return cropPictures({ style, files, labels });
  });
}

async function fetchFiles(source: PublishedModel): Promise<ReadonlyMap<string, Uint8Array>> {
  const files = await fetchPublished(source);
  if (files) return files;
  const message = `Cannot read emoji: expected npm to download ${source.package}; check its registry`;
  throw new SourceError('missing', message);
}

function entriesOf(files: ReadonlyMap<string, Uint8Array>): Entry[] {
  return JSON.parse(new TextDecoder().decode(files.get('emoji.json'))) as Entry[];
}

/** @returns code points without the variation selector, which versions of the package set or leave out */
function plain(unified: string): string {
  return unified.replaceAll('-FE0F', '');
}

function cropPictures(from: {
  style: Style;
  files: ReadonlyMap<string, Uint8Array>;
  labels: ReadonlyMap<string, number>;
}): EmojiPicture[] {
  const { style, files, labels } = from;
  const { vendor, pitch, margin } = SOURCES[style];
  const sheet = decode(files.get(`img/${vendor}/sheets/32.png`) as Uint8Array);
  return entriesOf(files).flatMap(({ skin_variations: tones, ...entry }) => {
    const label = labels.get(plain(entry.unified));
    if (label === undefined) return [];
    const cells = [entry, tones?.[SKIN_TONE]].filter((cell) => cell?.[`has_img_${vendor}`]) as Cell[];
    return cells.map((cell) => {
      const start = { x: cell.sheet_x * pitch + margin, y: cell.sheet_y * pitch + margin };
      const pixels = crop(sheet.data as Uint8Array, sheet.width, start);
      return { style, label, family: familyOf(entry.unified), points: plain(cell.unified), pixels };
    });
  });
}

function crop(data: Uint8Array, width: number, start: { x: number; y: number }): Uint8Array {
  const row = PICTURE_SIDE * SHEET_CHANNELS;
  const pixels = new Uint8Array(PICTURE_SIDE * row);
  for (let y = 0; y < PICTURE_SIDE; y++) {
    const from = ((start.y + y) * width + start.x) * SHEET_CHANNELS;
    pixels.set(data.subarray(from, from + row), y * row);
  }
  return pixels;
}
