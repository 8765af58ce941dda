import { suggest } from '../../model/suggest.js';
import type { Choice, Space, Value } from './space.js';

/** A rule: `NAME=VALUE[,VALUE]`, or `NAME!=VALUE[,VALUE]`. */
const RULE = /^([\w.]+)\s*(!?=)\s*(.+)$/;

/**
 * Fixes or excludes values, as someone who knows the task would.
 *
 * @param rules `kind=hash`, `block!=4`, `epochs=1,2`
 * @throws RangeError for a rule that is none, names an unknown choice or value, or leaves nothing to choose
 */
export function applyRules(space: Space, rules: readonly string[]): Space {
  return rules.reduce(applyRule, space);
}

function applyRule(space: Space, rule: string): Space {
  const [, name = '', sign, list = ''] = RULE.exec(rule) ?? [];
  if (sign === undefined)
    throw new RangeError(`Cannot use rule "${rule}": expected NAME=VALUE, or NAME!=VALUE`);
  const names = [...new Set(space.choices.map((choice) => choice.name))];
  if (!names.includes(name))
    throw new RangeError(
      `Cannot use rule "${rule}": expected one of ${names.join(', ')}, got "${name}"${suggest(name, names)}`,
    );
  const known = space.choices.filter((choice) => choice.name === name);
  const named = list.split(',').map((text) => readValue(known, text.trim(), rule));
  const isKept = (value: Value): boolean => named.includes(value) === (sign === '=');
  const choices = space.choices.map((choice) =>
    choice.name === name ? { ...choice, values: choice.values.filter(isKept) } : choice,
  );
  if (choices.some(({ values }) => values.length === 0))
    throw new RangeError(`Cannot use rule "${rule}": it leaves nothing to choose for "${name}"`);
  return { choices: choices.filter((choice) => canExist(choice, choices)) };
}

function readValue(choices: readonly Choice[], text: string, rule: string): Value {
  const values = choices.flatMap((choice) => choice.values);
  const value = values.find((each) => String(each) === text);
  if (value !== undefined) return value;
  throw new RangeError(`Cannot use rule "${rule}": expected one of ${values.join(', ')}, got "${text}"`);
}

/** Leaves out choices whose condition the rules exclude. */
function canExist({ when }: Choice, choices: readonly Choice[]): boolean {
  if (when === undefined) return true;
  return choices.some(
    ({ name, values }) => name === when.name && values.some((v) => when.values.includes(v)),
  );
}
