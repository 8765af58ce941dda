/** Tokens of a sentence that the model reads; of a longer one, the first. */
export const SENTENCE_TOKENS = 20;

/** Rows of the model's embedding. Row 0 stands for no word. */
export const VOCABULARY = 4_096;

/** Letters by which words are told apart: fewer, and they merge; more, and a word's forms are strangers. */
const STEM_LETTERS = 6;

/** @returns the words of a text, without signs */
export function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[a-z0-9]+/g) ?? [];
}

/**
 * Turns a sentence into tokens. No vocabulary is shipped: a hash of a word's first letters is its token
 * (Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", 2009), so that words of later
 * updates have one from the start.
 *
 * @returns `SENTENCE_TOKENS` tokens, those of short sentences at the end, where a recurrent layer reads last
 */
export function tokenise(text: string): Float32Array {
  const words = wordsOf(text).slice(0, SENTENCE_TOKENS);
  const tokens = new Float32Array(SENTENCE_TOKENS);
  tokens.set(words.map(tokenOf), SENTENCE_TOKENS - words.length);
  return tokens;
}

/** FNV-1a over the stem, folded to the rows after the first. */
function tokenOf(word: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < Math.min(word.length, STEM_LETTERS); i++) {
    hash = Math.imul(hash ^ word.charCodeAt(i), 0x01000193);
  }
  return 1 + (((hash ^ (hash >>> 15)) >>> 0) % (VOCABULARY - 1));
}
