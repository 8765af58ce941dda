import { createRandom, shuffled } from '../common/random.js';
import { type ExampleFacts, type Split, splitStages } from '../common/staged-examples.js';
import { FOLDERS, type Mail, readMails } from './mails.js';
import { MAIL_TOKENS, tokenise } from './tokens.js';

/** The day from which on mail is an update's, of each update. */
const UPDATE_DAYS = ['2002-08-01', '2002-08-22', '2002-09-06', '2002-09-24', '2002-10-03'] as const;

/** Share of the threads that a split gets; training gets the rest. */
const SHARES = { test: 0.3, validation: 0.12 } as const;

/** Which mails are taken. */
export interface MailDataOptions {
  /** Fixes everything that is random, default 1. */
  readonly seed?: number;
  /** Share of the threads that are taken, above 0 and at most 1, default 1. */
  readonly share?: number;
  readonly signal?: AbortSignal;
}

/** Mails as tokens, with labels, ready for training. */
export interface MailData {
  /** Folders: the model has an output for each from the start. */
  readonly labels: readonly string[];
  /** Every stage: the base model, then each update with everything known until then. */
  readonly stages: readonly Split[];
  /** What each stage adds, in words. */
  readonly adds: readonly string[];
}

/** A mail that is taken. */
export interface PlannedMail extends ExampleFacts {
  readonly mail: Mail;
}

/**
 * Load the mails of a base model and five updates, each with the mail that came after the update before.
 * Mails of a thread are in one split alone.
 *
 * @param options equal options give equal data
 * @throws SourceError `missing`; the signal's reason
 */
export async function loadMailData(options: MailDataOptions = {}): Promise<MailData> {
  const { seed = 1, share = 1, signal } = options;
  const mails = await readMails();
  signal?.throwIfAborted();
  return stageMails(mails, { seed, share });
}

/** Turns mails into tokens, as the stages of a base model and of its updates need them. */
export function stageMails(
  mails: readonly Mail[],
  { seed, share }: { seed: number; share: number },
): MailData {
  const facts = planMails(mails, { seed, share });
  const features = new Float32Array(facts.length * MAIL_TOKENS);
  facts.forEach(({ mail }, index) => {
    features.set(tokenise(mail.words), index * MAIL_TOKENS);
  });
  const source = { labels: FOLDERS, facts, features, shape: [MAIL_TOKENS] };
  return {
    labels: FOLDERS,
    stages: splitStages({ ...source, stages: UPDATE_DAYS.length + 1 }, seed),
    adds: [`mail until ${UPDATE_DAYS[0]}`, ...UPDATE_DAYS.map((day) => `mail from ${day} on`)],
  };
}

/** Deals threads out to splits, folder by folder, and mails to stages by the day they arrived. */
export function planMails(
  mails: readonly Mail[],
  { seed, share }: { seed: number; share: number },
): PlannedMail[] {
  const splits = new Map<string, keyof Split>();
  for (const folder of FOLDERS) {
    const own = mails.filter((mail) => mail.folder === folder).map(({ thread }) => thread);
    const threads = [...new Set(own)].filter((thread) => !splits.has(thread));
    const order = shuffled(threads, createRandom(seed, `threads/${folder}`));
    const taken = order.slice(0, Math.ceil(order.length * share));
    taken.forEach((thread, i) => {
      splits.set(thread, splitAt((i + 0.5) / taken.length));
    });
  }
  return mails.flatMap((mail) => {
    const split = splits.get(mail.thread);
    const stage = UPDATE_DAYS.filter((day) => mail.arrived >= Date.parse(day)).length;
    return split === undefined ? [] : [{ label: FOLDERS.indexOf(mail.folder), stage, split, mail }];
  });
}

function splitAt(position: number): keyof Split {
  if (position < SHARES.test) return 'test';
  return position < SHARES.test + SHARES.validation ? 'validation' : 'train';
}
