import type { Spoken } from './data.js';

/** A word that was reported. */
export interface Report {
  readonly label: number;
  readonly frame: number;
}

/** Hears words in class probabilities that come frame by frame. */
export interface Decoder {
  /** @returns the word to report; undefined for none */
  push(probabilities: ArrayLike<number>): number | undefined;
}

/** Frames over which probabilities are averaged. */
const SMOOTHED = 3;

/** Frames after a word in which no other is reported. */
const PAUSE = 4;

/**
 * Starts a stream. A word is reported when its mean probability of the last frames exceeds a threshold, and
 * again only after it fell below half of it.
 *
 * Source: G. Chen, C. Parada, G. Heigold, "Small-footprint keyword spotting using deep neural networks",
 * ICASSP 2014.
 */
export function createDecoder(classes: number, threshold: number): Decoder {
  const recent = Array.from({ length: SMOOTHED }, () => new Float32Array(classes));
  const means = new Float64Array(classes);
  let frames = 0;
  let held = 0;
  let since = PAUSE;
  return {
    push(probabilities) {
      recent[frames % SMOOTHED]!.set(probabilities);
      frames += 1;
      means.fill(0);
      for (const each of recent) for (let i = 0; i < classes; i++) means[i]! += each[i]! / SMOOTHED;
      let best = 1;
      for (let label = 2; label < classes; label++) if (means[label]! > means[best]!) best = label;
      since += 1;
      if (held > 0 && means[held]! < threshold / 2) held = 0;
      if (best === held || since < PAUSE || means[best]! < threshold) return undefined;
      held = best;
      since = 0;
      return best;
    },
  };
}

/** How well words were heard in streams. */
export interface Score {
  /** Keywords that were spoken. */
  readonly spoken: number;
  readonly hits: number;
  readonly falseAlarms: number;
  /** Words to insert, leave out and replace, to make of the reports what was spoken. */
  readonly edits: number;
}

/** Frames after a word's end in which its report counts. */
const LATEST = 12;

/** Compares the reports of a stream with what was spoken. */
export function scoreStream(reports: readonly Report[], spoken: readonly Spoken[]): Score {
  const open = [...spoken];
  let hits = 0;
  for (const { label, frame } of reports) {
    const found = open.findIndex((each) => {
      return each.label === label && frame >= each.first && frame <= each.last + LATEST;
    });
    if (found < 0) continue;
    hits += 1;
    open.splice(found, 1);
  }
  const edits = editDistance(reports, spoken);
  return { spoken: spoken.length, hits, falseAlarms: reports.length - hits, edits };
}

type Labelled = readonly { readonly label: number }[];

/** V. Levenshtein, 1966. */
function editDistance(from: Labelled, to: Labelled): number {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i);
  from.forEach(({ label }, i) => {
    const next = [i + 1];
    to.forEach((other, j) => {
      const replaced = row[j]! + (label === other.label ? 0 : 1);
      next.push(Math.min(replaced, row[j + 1]! + 1, next[j]! + 1));
    });
    row = next;
  });
  return row.at(-1) as number;
}

/** @returns the scores of several streams together */
export function addScores(scores: readonly Score[]): Score {
  const sum = (of: (score: Score) => number): number => scores.reduce((total, score) => total + of(score), 0);
  return {
    spoken: sum(({ spoken }) => spoken),
    hits: sum(({ hits }) => hits),
    falseAlarms: sum(({ falseAlarms }) => falseAlarms),
    edits: sum(({ edits }) => edits),
  };
}
