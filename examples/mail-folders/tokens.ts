import { tokenOf } from '../common/words.js';

/** Tokens of a mail that the model reads; of a longer one, the first. */
export const MAIL_TOKENS = 64;

/** Rows of the model's embedding. Row 0 stands for no word. */
export const VOCABULARY = 4_096;

/** @returns `MAIL_TOKENS` tokens, those of short mails at the start */
export function tokenise(words: readonly string[]): Float32Array {
  const tokens = new Float32Array(MAIL_TOKENS);
  tokens.set(words.slice(0, MAIL_TOKENS).map((word) => tokenOf(word, VOCABULARY)));
  return tokens;
}
