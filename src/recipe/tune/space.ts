import type { Random } from '../../train/random.js';

/** A value of a choice. */
export type Value = string | number;

/** Something to choose, and what there is to choose from. */
export interface Choice {
  readonly name: string;
  /** At least one; the first is the default. Numbers are compared by their logarithm or size. */
  readonly values: readonly Value[];
  /** The choice exists only where an earlier one has one of these values. */
  readonly when?: { readonly name: string; readonly values: readonly Value[] };
}

/** A value for each choice that exists. */
export type Configuration = Readonly<Record<string, Value>>;

/** What can be configured: choices in order. */
export interface Space {
  readonly choices: readonly Choice[];
}

/** @returns the configuration of all defaults */
export function defaultOf(space: Space): Configuration {
  return complete(space, ({ values }) => values[0] as Value);
}

/** @returns a configuration of which each value is equally likely */
export function sample(space: Space, random: Random): Configuration {
  return complete(space, ({ values }) => values[Math.floor(random() * values.length)] as Value);
}

/** @returns the configurations that differ in one value, and in what depends on it */
export function neighbours(space: Space, of: Configuration): Configuration[] {
  return space.choices.flatMap(({ name, values }) =>
    !(name in of)
      ? []
      : values
          .filter((value) => value !== of[name])
          .map((value) => complete(space, (choice) => (choice.name === name ? value : of[choice.name]))),
  );
}

/** @returns all configurations, or undefined if there are more than `most` */
export function listAll(space: Space, most: number): Configuration[] | undefined {
  let found: Configuration[] = [{}];
  for (const choice of space.choices) {
    found = found.flatMap((of) =>
      exists(choice, of) ? choice.values.map((value) => ({ ...of, [choice.name]: value })) : [of],
    );
    if (found.length > most) return undefined;
  }
  return found;
}

/** @returns whether a configuration is one of a space */
export function isOf(space: Space, configuration: Configuration): boolean {
  const taken = complete(space, ({ name }) => configuration[name]);
  const has = ({ name, values }: Choice): boolean =>
    !(name in taken) || values.includes(configuration[name] as Value);
  return keyOf(taken) === keyOf(configuration) && space.choices.every(has);
}

/** @returns a text that is the same for equal configurations */
export function keyOf(of: Configuration): string {
  return Object.keys(of)
    .sort()
    .map((name) => `${name}=${of[name]}`)
    .join(' ');
}

/**
 * Describes a configuration by numbers: a number by itself, a text by one number for each of its values; a
 * choice that does not exist by -1.
 */
export function featuresOf(space: Space, of: Configuration): number[] {
  return space.choices.flatMap(({ name, values }) => {
    const value = of[name];
    if (values.every((each) => typeof each === 'number')) return [typeof value === 'number' ? value : -1];
    return values.map((each) => (value === undefined ? -1 : Number(each === value)));
  });
}

/** Chooses in order, skipping what does not exist; a value that is not known falls back to the default. */
function complete(space: Space, choose: (choice: Choice) => Value | undefined): Configuration {
  const of: Record<string, Value> = {};
  for (const choice of space.choices) {
    if (exists(choice, of)) of[choice.name] = choose(choice) ?? (choice.values[0] as Value);
  }
  return of;
}

function exists({ when }: Choice, of: Configuration): boolean {
  return when === undefined || when.values.includes(of[when.name] as Value);
}
