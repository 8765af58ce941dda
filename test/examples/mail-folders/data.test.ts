import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import type { SourceError } from '../../../examples/common/source-error.js';
import type { Split } from '../../../examples/common/staged-examples.js';
import { planMails, stageMails } from '../../../examples/mail-folders/data.js';
import { FOLDERS, type Mail, parseMail, readMails } from '../../../examples/mail-folders/mails.js';
import { createMailModel } from '../../../examples/mail-folders/model.js';
import { bodyWords, subjectOf, threadOf } from '../../../examples/mail-folders/text.js';
import { MAIL_TOKENS, tokenise, VOCABULARY } from '../../../examples/mail-folders/tokens.js';
import { expectCumulative } from '../common/stage-facts.js';

const mails = await readMails().catch((error: SourceError<string>): Mail[] => {
  if (error.code !== 'missing') throw error;
  process.stderr.write(`SKIPPED: folders of mail; ${error.message}\n`);
  return [];
});

const BODY = 'The kernel panics when I plug in the mouse.\n';

const written = (headers: readonly string[], body = BODY): string =>
  ['From a@b.example  Thu Aug 22 13:17:22 2002', ...headers, '', body].join('\n');

test('parseMail() takes the folder from the group or the list, the time from the envelope', () => {
  const list = [
    'To: all@elsewhere.example',
    'List-Id:',
    '\tIrish <ilug.linux.ie>',
    'Subject: Re: [ILUG] USB mouse',
  ];
  expect(parseMail({ group: 'easy-ham-1', text: written(list) })).toEqual({
    folder: 'Irish Linux users',
    arrived: Date.UTC(2002, 7, 22, 13, 17, 22),
    thread: 'usb mouse',
    words: 'usb mouse the kernel panics when i plug in the mouse'.split(' '),
  });
  expect(parseMail({ group: 'spam-2', text: written(list) })?.folder).toBe('spam');
  expect(parseMail({ group: 'hard-ham-1', text: written([]) })?.folder).toBe('newsletters');
  expect(parseMail({ group: 'easy-ham-2', text: written(['To: rpm-zzzlist@lists.example']) })?.folder).toBe(
    'rpm',
  );
});

test('parseMail() takes the time of the last server where there is no envelope', () => {
  const text = `Received: from a by b; Fri, 23 Aug 2002 01:00:00 +0100\nReceived: by c; Mon, 1 Jul 2002\n\n${BODY}`;
  expect(parseMail({ group: 'spam-1', text })?.arrived).toBe(Date.UTC(2002, 7, 23));
});

test('parseMail() leaves out mail of no list, of no time and of few words', () => {
  expect(parseMail({ group: 'easy-ham-1', text: written(['To: me@home.example']) })).toBe(undefined);
  expect(parseMail({ group: 'spam-1', text: `Subject: offer\n\n${BODY}` })).toBe(undefined);
  expect(parseMail({ group: 'spam-1', text: written(['Subject: hello'], 'See you') })).toBe(undefined);
});

test('subjectOf() and threadOf() are the same for replies and for names of lists', () => {
  expect(subjectOf('Re: [Razor-users] Fwd: Version 2.14, the day after')).toBe('version 2 14 the day after');
  expect(threadOf('usb mouse', ['usb', 'mouse', 'and', 'more'])).toBe('usb mouse');
  expect(threadOf('hello', ['hello', 'from', 'me'])).not.toBe(threadOf('hello', ['hello', 'from', 'you']));
});

test('bodyWords() leaves out tags, quotations, what lists add below a line, addresses and encodings', () => {
  const body = [
    'Content-Type: text/html',
    '<style>p { color: red }</style><p>Caf=E9 &nbsp;opens =',
    'soon</p>',
    'On Monday Ann wrote:',
    '> quoted words',
    'see http://xent.example/list or mail list@xent.example',
    'QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5eg==',
    '_______________________________________________',
    'Razor users mailing list',
  ].join('\n');
  expect(bodyWords(body).join(' ')).toBe('caf opens soon see or mail');
});

test('tokenise() puts short mails at the start and cuts long ones', () => {
  const tokens = tokenise(['volumes', 'snapshot', 'volume']);
  expect(tokens.length).toBe(MAIL_TOKENS);
  expect(tokens[0]).toBe(tokens[2]);
  expect(tokens[0]).not.toBe(tokens[1]);
  expect(tokens.subarray(3).every((token) => token === 0)).toBe(true);
  const long = tokenise(Array.from({ length: 100 }, (_, i) => `w${i}`));
  expect(long.every((token) => token >= 1 && token < VOCABULARY && Number.isInteger(token))).toBe(true);
});

test('createMailModel() has the size that its example says, and is fixed by its seed', () => {
  const weightsOf = (seed: number) => {
    const model = createMailModel(FOLDERS.length, seed);
    return { count: model.countParams(), values: model.getWeights().map((each) => [...each.dataSync()]) };
  };
  expect(weightsOf(1)).toEqual(weightsOf(1));
  expect(weightsOf(2)).not.toEqual(weightsOf(1));
  expect(weightsOf(1).count).toBe(147_307);
});

test('createMailModel() reads the order of words', () => {
  const model = createMailModel(FOLDERS.length, 1);
  const outputs = (words: readonly string[]) =>
    tf.tidy(() => [...(model.predict(tf.tensor(tokenise(words), [1, MAIL_TOKENS])) as tf.Tensor).dataSync()]);
  const words = Array.from({ length: 40 }, (_, i) => `word${i}`);
  expect(outputs([...words].reverse())).not.toEqual(outputs(words));
});

describe.skipIf(mails.length === 0)('with the mails of the package', () => {
  test('readMails() gives thousands of mails, some of each folder', () => {
    expect(mails.length).toBeGreaterThan(5_500);
    expect(new Set(mails.map(({ folder }) => folder))).toEqual(new Set(FOLDERS));
  });

  test('planMails() keeps a thread in one split', () => {
    const splits = new Map<string, Set<string>>();
    const planned = planMails(mails, { seed: 1, share: 1 });
    expect(planned.length).toBe(mails.length);
    for (const { mail, split } of planned)
      splits.set(mail.thread, (splits.get(mail.thread) ?? new Set()).add(split));
    expect(splits.size).toBeGreaterThan(2_500);
    expect([...splits.values()].filter(({ size }) => size > 1)).toEqual([]);
  });

  test('planMails() gives later mail to later stages', () => {
    const planned = planMails(mails, { seed: 1, share: 1 });
    const latest = [0, 1, 2, 3, 4, 5].map((stage) =>
      planned
        .filter((each) => each.stage === stage)
        .reduce((last, { mail }) => Math.max(last, mail.arrived), 0),
    );
    expect(latest).toEqual([...latest].sort((a, b) => a - b));
    expect(latest[0]).toBeLessThan(Date.UTC(2002, 7, 1));
  });

  test('stageMails() gives six cumulative stages with hundreds of tests', () => {
    const { labels, stages, adds } = stageMails(mails, { seed: 1, share: 1 });
    expect([labels, stages.length, adds.length]).toEqual([FOLDERS, 6, 6]);
    expectCumulative(stages);
    expect(stages[0]?.test.count).toBeGreaterThan(500);
    expect(stages[1]?.test.count).toBeGreaterThan(800);
  });

  test('stageMails() is fixed by its seed and takes a share', () => {
    const lastOf = (seed: number) => stageMails(mails, { seed, share: 0.1 }).stages.at(-1) as Split;
    expect(lastOf(1)).toEqual(lastOf(1));
    expect(lastOf(2).train.features).not.toEqual(lastOf(1).train.features);
    expect(lastOf(1).test.count).toBeLessThan(700);
  });
});
