import { type Random, shuffled } from '../common/random.js';
import { wordsOf } from '../common/words.js';

/** A way of writing, from words to words. */
export interface Manner {
  readonly name: string;
  readonly write: (words: readonly string[], random: Random) => string[];
}

const OPENINGS = ['hey can you please', 'so um i would like to know', 'okay listen', 'uh could you maybe'];

const FILLERS = ['um', 'uh', 'you know', 'like', 'basically', 'i mean'];

/** Share of the words that a filler follows, or that are typed wrongly. */
const FILLED = 0.25;
const MISTYPED = 0.3;

/** Letters of a word that are left when it is clipped. */
const CLIPPED_LETTERS = 4;

/** Words that somebody types into a search box. */
const SEARCH_WORDS = 7;

/** Words that are left out of searches. */
const FUNCTION_WORDS = new Set(
  'a an the of or and to in is that by on for with as at from it its be are which who you this can if'.split(
    ' ',
  ),
);

/** The base model's manner, which leaves sentences as they are, then that of each update. */
export const MANNERS: readonly Manner[] = [
  { name: 'full sentences', write: (words) => [...words] },
  { name: 'shorthand without vowels', write: (words) => words.map(withoutVowels) },
  { name: 'speech with fillers', write: speak },
  { name: 'typing errors', write: (words, random) => words.map((word) => mistype(word, random)) },
  { name: 'clipped words', write: (words) => words.map((word) => word.slice(0, CLIPPED_LETTERS)) },
  { name: 'search boxes', write: search },
];

/** The first letter stays, and words that are too short to be told from others. */
function withoutVowels(word: string): string {
  return word.length < 4 ? word : word.slice(0, 1) + word.slice(1).replaceAll(/[aeiou]/g, '');
}

function speak(words: readonly string[], random: Random): string[] {
  const filled = words.flatMap((word) =>
    random() < FILLED ? [word, ...pick(FILLERS, random).split(' ')] : [word],
  );
  return [...pick(OPENINGS, random).split(' '), ...filled];
}

function pick(list: readonly string[], random: Random): string {
  return list[Math.floor(random() * list.length)] as string;
}

/** Drops, doubles or swaps a letter. */
function mistype(word: string, random: Random): string {
  if (word.length < 4 || random() >= MISTYPED) return word;
  const at = 1 + Math.floor(random() * (word.length - 2));
  const [before, letter, after] = [word.slice(0, at), word[at] as string, word.slice(at + 1)];
  const kind = Math.floor(random() * 3);
  if (kind === 0) return before + after;
  if (kind === 1) return before + letter + letter + after;
  return before + after.slice(0, 1) + letter + after.slice(1);
}

/** Some of the words that matter, in any order. */
function search(words: readonly string[], random: Random): string[] {
  const content = words.filter((word) => !FUNCTION_WORDS.has(word));
  return shuffled(content, random).slice(0, SEARCH_WORDS);
}

/** @returns a sentence as somebody writes it in a manner */
export function rewrite(text: string, manner: Manner, random: Random): string {
  return manner.write(wordsOf(text), random).join(' ');
}
