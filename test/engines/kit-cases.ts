import {
  type DescribedModel,
  goldenCases,
  goldenFacts,
  goldenModel,
  goldenPayload,
} from '../golden/facts.js';
import type { KitCase } from './kit.js';

/** @returns every golden payload that is applied to a model in memory, and every one that is refused */
export function kitCases(): KitCase[] {
  const accepted = goldenCases('accept').map((name) => {
    const { base, next } = goldenFacts<{ base: DescribedModel; next: DescribedModel }>(`accept/${name}`);
    return caseOf(`accept/${name}`, base, { next: next.fingerprint });
  });
  const refused = goldenCases('refuse').map((name) => {
    const { model, code } = goldenFacts<{ model: DescribedModel; code: string }>(`refuse/${name}`);
    return caseOf(`refuse/${name}`, model, { code });
  });
  return [...accepted, ...refused];
}

function caseOf(name: string, base: DescribedModel, expected: KitCase['expected']): KitCase {
  return { name, payload: goldenPayload(name), base: goldenModel(base), expected };
}
