import type { NeuralDiffError, TensorInfo } from '../model/index.js';
import { describe, differs } from './check-tensors.js';
import { groupBy, type TensorLists } from './match-names.js';

/** Names that a message has room for. */
const MOST_NAMES = 5;

/** @returns a refusal of tensors of which one model has more than the other, or of other types or shapes */
export function unmatched(left: TensorLists, { wouldCast = false } = {}): NeuralDiffError {
  const advice = wouldCast ? 'allow casts (--cast), or ship the full model' : undefined;
  return differs(describeUnmatched(left), advice);
}

function describeUnmatched({ base, next }: TensorLists): string {
  const byName = new Map(next.map((info) => [info.name, info]));
  for (const info of base) {
    const found = byName.get(info.name);
    if (found && describe(found) !== describe(info))
      return `tensor "${info.name}" is ${describe(info)} in the base, ${describe(found)} in the next model`;
  }
  const inNext = groupBy(next, (info) => [describe(info)]);
  for (const [type, own] of groupBy(base, (info) => [describe(info)])) {
    const others = inNext.get(type)?.length ?? 0;
    // Names that count for nothing may be in both.
    if (others !== own.length && own.some(({ name }) => byName.has(name)))
      return `of ${type} the base has ${own.length} tensors without a counterpart (${namesOf(own)}), the next model ${others}`;
  }
  const missing = `the base's ${listOf(base)} ${is(base)} not in the next model`;
  const added = `the next model's ${listOf(next)} ${is(next)} not in the base`;
  return [...(base.length > 0 ? [missing] : []), ...(next.length > 0 ? [added] : [])].join(', ');
}

/** @returns a refusal of tensors whose content does not say which is which */
export function ambiguous({ base, next }: TensorLists): NeuralDiffError {
  const what = `nothing tells which of the next model's ${listOf(next)} the base's ${listOf(base)} should become`;
  return differs(what, "give the next model's tensors the base's names, or ship the full model");
}

function is({ length }: readonly unknown[]): string {
  return length === 1 ? 'is' : 'are';
}

/** @returns names, and the type and shape of the first */
function listOf(infos: readonly TensorInfo[]): string {
  const types = [...new Set(infos.map(describe))].slice(0, 2);
  return `${infos.length === 1 ? 'tensor' : 'tensors'} ${namesOf(infos)} (${types.join(' and ')})`;
}

function namesOf(infos: readonly TensorInfo[]): string {
  const names = infos.slice(0, MOST_NAMES).map(({ name }) => `"${name}"`);
  const more = infos.length > MOST_NAMES ? ` and ${infos.length - MOST_NAMES} more` : '';
  return `${names.join(', ')}${more}`;
}
