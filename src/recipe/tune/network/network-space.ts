import type { Choice, Space, Value } from '../space.js';

/** Channels that one vector instruction computes at once: widths are multiples of it. */
export const LANES = 4;

/** The choices of a recipe's network, as it exports them. */
export type GivenChoices = Readonly<Record<string, readonly Value[] | GivenChoice>>;

interface GivenChoice {
  readonly values: readonly Value[];
  readonly when: Readonly<Record<string, readonly Value[]>>;
}

/** @returns the space that a recipe's choices describe */
export function spaceOf(choices: GivenChoices): Space {
  return { choices: Object.entries(choices).map(([name, given]) => choiceOf(name, given)) };
}

function choiceOf(name: string, given: GivenChoices[string]): Choice {
  if (!('when' in given)) return { name, values: given };
  const [condition] = Object.entries(given.when) as [[string, readonly Value[]]];
  return { name, values: given.values, when: { name: condition[0], values: condition[1] } };
}

/** @returns what is expected of a recipe's export `network`, if it is not so */
export function networkProblem(network: unknown): string | undefined {
  const { choices, create } = (isMap(network) ? network : {}) as { choices?: unknown; create?: unknown };
  if (!isMap(choices) || typeof create !== 'function')
    return 'an object with "choices" by name and a function "create"';
  const earlier = new Map<string, readonly Value[]>();
  for (const [name, given] of Object.entries(choices)) {
    const problem = choiceProblem(name, given, earlier);
    if (problem !== undefined) return `an object with choices that fit, but "${name}" ${problem}`;
    earlier.set(name, Array.isArray(given) ? given : (given as GivenChoice).values);
  }
  return earlier.size === 0 ? 'an object with at least one choice' : undefined;
}

function choiceProblem(
  name: string,
  given: unknown,
  earlier: ReadonlyMap<string, readonly Value[]>,
): string | undefined {
  if (!/^\w+$/.test(name)) return 'is no name of letters, digits and underscores';
  if (Array.isArray(given)) return valuesProblem(given);
  if (!isMap(given)) return 'is neither a list nor { values, when }';
  const { values, when } = given as Partial<GivenChoice>;
  const [condition, ...more] = isMap(when) ? Object.entries(when) : [];
  if (condition === undefined || more.length > 0) return 'has no "when" with one other choice';
  const known = earlier.get(condition[0]);
  if (known === undefined) return `depends on "${condition[0]}", which does not come before it`;
  const needed: unknown = condition[1];
  if (!Array.isArray(needed) || needed.length === 0 || !needed.every((value) => known.includes(value)))
    return `depends on values that "${condition[0]}" does not have`;
  return valuesProblem(values);
}

function valuesProblem(values: unknown): string | undefined {
  const isValue = (value: unknown): boolean => typeof value === 'string' || Number.isFinite(value);
  if (!Array.isArray(values) || values.length === 0 || !values.every(isValue))
    return 'has no list of texts or numbers';
  return new Set(values).size < values.length ? 'has a value twice' : undefined;
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
