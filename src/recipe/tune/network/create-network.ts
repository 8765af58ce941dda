import * as tf from '@tensorflow/tfjs';
import type { Recipe } from '../../recipe.js';
import { guardRecipe, invalidRecipe } from '../../recipe-errors.js';
import type { Configuration, Space } from '../space.js';
import { LANES, spaceOf } from './network-space.js';

/** The export of a recipe that makes networks. */
export type NetworkExport = NonNullable<Recipe['network']>;

/** A network to find: the recipe that makes it, and what there is to choose from. */
export interface NetworkUse {
  readonly path: string;
  readonly network: NetworkExport;
  readonly space: Space;
}

/** What a recipe calls while it makes a network. */
export type Hooks = Pick<Parameters<NetworkExport['create']>[0], 'gate' | 'pick'>;

/** A network, and which choices its recipe marked. */
export interface CreatedNetwork {
  readonly model: tf.LayersModel;
  /** Choices of widths. */
  readonly gates: ReadonlySet<string>;
  /** Choices of branches. */
  readonly picks: ReadonlySet<string>;
}

/**
 * Takes the network of a recipe.
 *
 * @throws NeuralDiffError `recipe-invalid` for a recipe without one
 */
export function networkOf(path: string, recipe: Recipe): NetworkUse {
  const { network } = recipe;
  if (network !== undefined) return { path, network, space: spaceOf(network.choices) };
  throw invalidRecipe(path, 'expected an export "network" with the choices and "create"');
}

/**
 * Makes the untrained network of a configuration.
 *
 * @param hooks what `gate` and `pick` do; by default gates have no effect, and only the chosen branch is made
 * @throws NeuralDiffError `recipe-invalid` for widths that are no multiples of 4, marks on other tensors or
 *   of unknown choices, or something that is not a LayersModel; `recipe-failed`
 */
export function createNetwork(
  use: NetworkUse,
  configuration: Configuration,
  { seed, hooks }: { readonly seed: number; readonly hooks?: Hooks },
): CreatedNetwork {
  const marks = new Marks(use, configuration, hooks);
  const { gate, pick } = marks;
  const create = guardRecipe(use.path, use.network.create);
  const model: unknown = create({ tf, seed, choice: configuration, gate, pick });
  if (!(model instanceof tf.LayersModel))
    throw invalidRecipe(use.path, 'expected "create" of "network" to return a LayersModel of its "tf"');
  return { model, gates: marks.gates, picks: marks.picks };
}

/** Checks what a recipe marks, and passes it on. */
class Marks implements Hooks {
  readonly gates = new Set<string>();
  readonly picks = new Set<string>();
  readonly #use: NetworkUse;
  readonly #configuration: Configuration;
  readonly #hooks: Hooks | undefined;

  constructor(use: NetworkUse, configuration: Configuration, hooks: Hooks | undefined) {
    this.#use = use;
    this.#configuration = configuration;
    this.#hooks = hooks;
  }

  readonly gate: Hooks['gate'] = (tensor, name) => {
    const values = this.#valuesOf(name, 'gate');
    const odd = values.find((value) => typeof value !== 'number' || value <= 0 || value % LANES !== 0);
    if (odd !== undefined) {
      const why = `expected widths that are multiples of ${LANES}, the lanes of SIMD, got ${odd}`;
      throw invalidRecipe(this.#use.path, `${why} for "${name}"`);
    }
    const [width, channels] = [this.#configuration[name], tensor.shape.at(-1)];
    if (channels !== width) {
      const why = `expected gate("${name}") on a tensor with ${width} channels`;
      throw invalidRecipe(this.#use.path, `${why}, got ${channels}`);
    }
    this.gates.add(name);
    return this.#hooks?.gate(tensor, name) ?? tensor;
  };

  readonly pick: Hooks['pick'] = (name, branches) => {
    const missing = this.#valuesOf(name, 'pick').find((value) => typeof branches[value] !== 'function');
    if (missing !== undefined)
      throw invalidRecipe(this.#use.path, `expected pick("${name}") to have a branch for "${missing}"`);
    this.picks.add(name);
    if (this.#hooks) return this.#hooks.pick(name, branches);
    const value = this.#configuration[name] as string | number;
    return (branches[value] as () => tf.SymbolicTensor)();
  };

  #valuesOf(name: string, by: string): readonly (string | number)[] {
    const choice = this.#use.space.choices.find((each) => each.name === name);
    if (choice === undefined || !(name in this.#configuration))
      throw invalidRecipe(this.#use.path, `expected ${by}("${name}") to name a choice that exists here`);
    return choice.values;
  }
}
