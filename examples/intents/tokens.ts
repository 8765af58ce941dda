import { tokenOf, wordsOf } from '../common/words.js';

/** Tokens of a sentence that the model reads; of a longer one, the first. */
export const SENTENCE_TOKENS = 20;

/** Rows of the model's embedding. Row 0 stands for no word. */
export const VOCABULARY = 4_096;

/**
 * Turns a sentence into tokens.
 *
 * @returns `SENTENCE_TOKENS` tokens, those of short sentences at the end, where a recurrent layer reads last
 */
export function tokenise(text: string): Float32Array {
  const words = wordsOf(text).slice(0, SENTENCE_TOKENS);
  const tokens = new Float32Array(SENTENCE_TOKENS);
  tokens.set(
    words.map((word) => tokenOf(word, VOCABULARY)),
    SENTENCE_TOKENS - words.length,
  );
  return tokens;
}
