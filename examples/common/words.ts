/** Letters by which words are told apart: fewer, and they merge; more, and a word's forms are strangers. */
const STEM_LETTERS = 6;

/** @returns the words of a text, without signs */
export function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[a-z0-9]+/g) ?? [];
}

/**
 * Turns a word into a token. No vocabulary is shipped: a hash of a word's first letters (FNV-1a) is its token
 * (Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", 2009), so that words of later
 * updates have one from the start.
 *
 * @param rows of the model's embedding; row 0 stands for no word
 * @returns a whole number from 1 to `rows - 1`
 */
export function tokenOf(word: string, rows: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < Math.min(word.length, STEM_LETTERS); i++) {
    hash = Math.imul(hash ^ word.charCodeAt(i), 0x01000193);
  }
  return 1 + (((hash ^ (hash >>> 15)) >>> 0) % (rows - 1));
}
