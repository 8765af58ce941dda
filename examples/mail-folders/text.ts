import { wordsOf } from '../common/words.js';

/** Words from which on a subject names a thread by itself. */
const THREAD_WORDS = 2;

/** @returns the words of a subject in lower case, without marks of replies and names of lists in brackets */
export function subjectOf(subject: string): string {
  const own = subject.replace(/\[[^\]]*\]/g, ' ').replace(/\b(re|fwd?|aw)\s*:/gi, ' ');
  return wordsOf(own).join(' ');
}

/** @returns what mails of a thread have in common: the subject or, of a short one, the first words as well */
export function threadOf(subject: string, words: readonly string[]): string {
  return subject.split(' ').length >= THREAD_WORDS ? subject : words.slice(0, 8).join(' ');
}

/**
 * Takes the words that a mail's sender wrote out of its body: no tags of HTML, no quoted lines, nothing that
 * a list or a program writes into every mail, such as the list's name and address below a line.
 */
export function bodyWords(body: string): string[] {
  const decoded = body
    .replace(BASE64_LINE, '')
    .replace(/=\r?\n/g, '')
    .replace(/=([0-9A-F]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)))
    .replace(/<(style|script)\b.*?<\/\1>/gis, ' ')
    .replace(/<[^>]*>/g, ' ')
    .replace(/&#?\w+;/g, ' ');
  const lines = decoded.split(/\r?\n/);
  const end = lines.findIndex((line) => /^(_{20,}|-{20,}|-- ?)\s*$/.test(line));
  const own = (end > 0 ? lines.slice(0, end) : lines).filter((line) => !FOREIGN_LINE.test(line));
  return wordsOf(own.join('\n').replace(/\S*(:\/\/|@|\bwww\.)\S*/g, ' '));
}

/** Quotations and who wrote them, headers and borders of parts, dates and addresses of feeds. */
const FOREIGN_LINE = /^\s*[>|:]|^(Content-|URL:|Date:|--\S)|(wrote|writes|said):\s*$/i;

const BASE64_LINE = /^[A-Za-z0-9+/=]{50,}\r?$/gm;
