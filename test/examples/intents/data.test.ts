import { expect, test } from 'vitest';
import { createRandom } from '../../../examples/common/random.js';
import { loadIntentData, planPhrases, SERVICES_BY_STAGE } from '../../../examples/intents/data.js';
import { MANNERS, rewrite } from '../../../examples/intents/manners.js';
import { createIntentModel } from '../../../examples/intents/model.js';
import { readRequests } from '../../../examples/intents/requests.js';
import { SENTENCE_TOKENS, tokenise, VOCABULARY } from '../../../examples/intents/tokens.js';
import { countLabels, expectCumulative } from '../common/stage-facts.js';

const services = SERVICES_BY_STAGE.flat();
const requests = await readRequests(services);
const phrases = planPhrases(requests, { seed: 1, share: 1 });

test('readRequests() gives thousands of sentences, each for one service', () => {
  expect(requests.length).toBeGreaterThan(8_000);
  expect(new Set(requests.map(({ text }) => text)).size).toBe(requests.length);
  expect(new Set(requests.map(({ service }) => service))).toEqual(new Set(services));
});

test('planPhrases() keeps a sentence, and what is made of it, in one split', () => {
  const splits = new Map<string, Set<string>>();
  for (const { sentence, split } of phrases) {
    splits.set(sentence, (splits.get(sentence) ?? new Set()).add(split));
  }
  expect(splits.size).toBe(requests.length);
  expect([...splits.values()].filter(({ size }) => size > 1)).toEqual([]);
});

test('planPhrases() keeps new services and new manners from the stages before', () => {
  for (const { label, stage } of phrases) {
    const known = SERVICES_BY_STAGE.slice(0, stage + 1).flat();
    expect(known).toContain(services[label]);
  }
  expect(
    phrases.filter(({ stage }) => stage === 0).every(({ text, sentence }) => text.length <= sentence.length),
  ).toBe(true);
});

test('loadIntentData() gives six cumulative stages and thousands of tests', async () => {
  const { labels, stages, adds } = await loadIntentData();
  expect([labels.length, stages.length, adds.length]).toEqual([15, 6, 6]);
  expectCumulative(stages);
  stages.forEach(({ train, validation, test: tested }, stage) => {
    const known = SERVICES_BY_STAGE.slice(0, stage + 1).flat().length;
    for (const examples of [train, validation, tested]) expect(countLabels(examples)).toBe(known);
  });
  expect(stages[1]?.test.count).toBeGreaterThan(2_000);
  expect(stages[5]?.test.count).toBeGreaterThan(7_000);
});

test('loadIntentData() is fixed by its seed and takes a share', async () => {
  const load = (seed: number) => loadIntentData({ seed, share: 0.1 });
  const once = await load(1);
  expect(await load(1)).toEqual(once);
  expect((await load(2)).stages[5]?.train.features).not.toEqual(once.stages[5]?.train.features);
  expect(once.stages[5]?.test.count).toBeLessThan(1_000);
});

test('rewrite() writes as each manner does', () => {
  const text = 'Creates a snapshot of the volume';
  const written = MANNERS.map((manner) => rewrite(text, manner, createRandom(1, 'rewrite')));
  expect(written[0]).toBe('creates a snapshot of the volume');
  expect(written[1]).toBe('crts a snpsht of the vlm');
  expect(written[2]).toMatch(/^(hey|so|okay|uh).* creates( .*)? volume( .*)?$/);
  expect(written[3]).not.toBe(written[0]);
  expect(written[4]).toBe('crea a snap of the volu');
  expect(written[5]?.split(' ').sort()).toEqual(['creates', 'snapshot', 'volume']);
});

test('tokenise() puts short sentences at the end, cuts long ones, and tells words by their first letters', () => {
  const tokens = tokenise('Volumes, snapshot volume');
  expect(tokens.length).toBe(SENTENCE_TOKENS);
  expect([...tokens.subarray(0, -3)].every((token) => token === 0)).toBe(true);
  expect(tokens.at(-3)).toBe(tokens.at(-1));
  expect(tokens.at(-2)).not.toBe(tokens.at(-1));
  const long = tokenise(Array.from({ length: 40 }, (_, i) => `w${i}`).join(' '));
  expect(long.every((token) => token >= 1 && token < VOCABULARY && Number.isInteger(token))).toBe(true);
  expect(long[0]).toBe(tokenise('w0').at(-1));
});

test('createIntentModel() has the size that its example says', () => {
  expect(createIntentModel(services.length, 1).countParams()).toBe(159_407);
});
