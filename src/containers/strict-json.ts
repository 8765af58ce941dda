import { NeuralDiffError } from '../model/errors.js';
import { decodeUtf8 } from '../model/text.js';

/**
 * Parses untrusted JSON. Other readers disagree on which of two equal keys counts, so an object with a key
 * twice is refused.
 *
 * @param bytes UTF-8 text, with or without a byte order mark
 * @param path the file's name for errors
 * @throws NeuralDiffError `bad-model`
 */
export function parseStrictJson(bytes: Uint8Array, path: string): unknown {
  let text: string;
  let value: unknown;
  try {
    text = decodeUtf8(bytes).replace(/^\ufeff/, '');
    value = JSON.parse(text);
  } catch (cause) {
    throw new NeuralDiffError('bad-model', `Cannot read "${path}": expected JSON`, { cause });
  }
  const twice = findDuplicateKey(text);
  if (twice === undefined) return value;
  throw new NeuralDiffError(
    'bad-model',
    `Cannot read "${path}": the key ${twice} appears twice in one object`,
  );
}

/** @returns the first key, in quotes, that an object of valid JSON has twice */
function findDuplicateKey(text: string): string | undefined {
  /** For each open bracket: the keys so far; undefined for a list. */
  const open: (Set<string> | undefined)[] = [];
  let isKey = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '"') {
      const end = endOfString(text, at);
      const keys = open.at(-1);
      if (isKey && keys !== undefined) {
        const quoted = text.slice(at, end);
        const key = quoted.includes('\\') ? (JSON.parse(quoted) as string) : quoted.slice(1, -1);
        if (keys.has(key)) return quoted;
        keys.add(key);
      }
      isKey = false;
      at = end - 1;
    } else if (char === '{' || char === '[') {
      open.push(char === '{' ? new Set() : undefined);
      isKey = char === '{';
    } else if (char === '}' || char === ']') open.pop();
    else if (char === ',') isKey = open.at(-1) !== undefined;
  }
  return undefined;
}

/** @returns the offset after the string that starts at `at` */
function endOfString(text: string, at: number): number {
  let end = at + 1;
  while (text[end] !== '"') end += text[end] === '\\' ? 2 : 1;
  return end + 1;
}
