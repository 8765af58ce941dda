import { createRandom, shuffled } from '../common/random.js';
import { type ExampleFacts, type Split, splitStages } from '../common/staged-examples.js';
import { MANNERS, type Manner, rewrite } from './manners.js';
import { type Request, readRequests } from './requests.js';
import { SENTENCE_TOKENS, tokenise } from './tokens.js';

/** Services that each stage adds, the base model's first. */
export const SERVICES_BY_STAGE: readonly (readonly string[])[] = [
  ['ec2', 'rds', 'quicksight', 's3api', 'cloudfront', 'storagegateway', 'connect', 'codecommit'],
  ['sagemaker'],
  ['datazone', 'kendra'],
  ['lexv2-models'],
  ['gamelift', 'proton'],
  ['deadline'],
];

/** Share of a service's sentences that a split gets; training gets the rest. */
const SHARES = { test: 0.25, validation: 0.1 } as const;

/** Share of the sentences of a split that a later manner writes once more. */
export const REWRITTEN = 0.5;

/** Which requests are taken. */
export interface IntentDataOptions {
  /** Fixes everything that is random, default 1. */
  readonly seed?: number;
  /** Share of the sentences that are taken, above 0 and at most 1, default 1. */
  readonly share?: number;
  readonly signal?: AbortSignal;
}

/** Sentences as tokens, with labels, ready for training. */
export interface IntentData {
  /** All labels of all stages: the model has an output for each from the start. */
  readonly labels: readonly string[];
  /** Every stage: the base model, then each update with everything known until then. */
  readonly stages: readonly Split[];
  /** What each stage adds, in words. */
  readonly adds: readonly string[];
}

/** A sentence as somebody writes it. */
export interface Phrase extends ExampleFacts {
  readonly text: string;
  /** The sentence before anybody wrote it in a manner. */
  readonly sentence: string;
}

/**
 * Load the requests of a base model and five updates. Each update adds services and a manner, in which half
 * of the sentences known by then are written once more. A sentence and what is made of it are in one split
 * alone.
 *
 * @param options equal options give equal data
 * @throws the signal's reason
 */
export async function loadIntentData(options: IntentDataOptions = {}): Promise<IntentData> {
  const { seed = 1, share = 1, signal } = options;
  const labels = SERVICES_BY_STAGE.flat();
  const requests = await readRequests(labels);
  signal?.throwIfAborted();
  const facts = planPhrases(requests, { seed, share });
  const features = new Float32Array(facts.length * SENTENCE_TOKENS);
  facts.forEach(({ text }, index) => {
    features.set(tokenise(text), index * SENTENCE_TOKENS);
  });
  const source = { labels, facts, features, shape: [SENTENCE_TOKENS] };
  return {
    labels,
    stages: splitStages({ ...source, stages: MANNERS.length }, seed),
    adds: SERVICES_BY_STAGE.map((services, stage) => [...services, MANNERS[stage]?.name].join(', ')),
  };
}

/**
 * Deals sentences out to splits, and has half of them written in each of the later manners.
 *
 * @param requests sentences of all services
 * @returns phrases with the stage that first knows both service and manner
 */
export function planPhrases(
  requests: readonly Request[],
  { seed, share }: { seed: number; share: number },
): Phrase[] {
  return SERVICES_BY_STAGE.flatMap((services, stage) =>
    services.map((service) => ({ service, stage })),
  ).flatMap(({ service, stage }, label) => {
    const own = requests.filter((request) => request.service === service).map(({ text }) => text);
    const order = shuffled(own, createRandom(seed, `sentences/${service}`));
    const taken = order.slice(0, Math.ceil(order.length * share));
    return taken.flatMap((sentence, index) => {
      const split = splitAt(index / taken.length);
      return MANNERS.flatMap((manner, number) => {
        const text = write(sentence, { manner, number, seed });
        return text === undefined ? [] : [{ label, stage: Math.max(stage, number), split, text, sentence }];
      });
    });
  });
}

function splitAt(position: number): ExampleFacts['split'] {
  if (position < SHARES.test) return 'test';
  return position < SHARES.test + SHARES.validation ? 'validation' : 'train';
}

/** @returns the sentence in a manner, or nothing where that manner leaves it out */
function write(
  sentence: string,
  { manner, number, seed }: { manner: Manner; number: number; seed: number },
): string | undefined {
  const random = createRandom(seed, `manner/${number}/${sentence}`);
  return number > 0 && random() >= REWRITTEN ? undefined : rewrite(sentence, manner, random);
}
