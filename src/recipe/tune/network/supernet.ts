import * as tf from '@tensorflow/tfjs';
import type { DiffPart } from '../../../train/part.js';
import { createRandom } from '../../../train/random.js';
import type { Task } from '../../../train/task.js';
import { type Configuration, defaultOf, type Space, sample, type Value } from '../space.js';
import { createNetwork, type NetworkUse } from './create-network.js';
import { type Gate, type GateControl, gateHooks, groupOf, indexOfLargest } from './gates.js';
import { type Latency, LatencySurface, type SoftChoice } from './latency.js';
import type { NetworkSearch } from './search.js';
import { type NetworkTraining, networkTask, trainNetwork } from './train-network.js';

/** A network with the largest widths and all branches, whose gates train. */
export interface Supernet {
  readonly model: tf.LayersModel;
  readonly gates: ReadonlyMap<string, Gate>;
  /** Its largest widths, and the defaults of what has no gate. */
  readonly configuration: Configuration;
  readonly choices: readonly SoftChoice[];
  readonly control: GateControl;
}

/** Temperatures of the gates at the start and at the end, and the share of steps before they move. */
const ANNEALING = { first: 1, last: 0.05, from: 0.15 };

/** How fast the weight of the latency follows what is above the limit, over a whole training. */
const MULTIPLIER_RATE = 12;

/** Configurations to which the expected latency is fitted, for each term of the fit, and at least. */
const SURFACE_SAMPLES = { perTerm: 2, least: 120 };

/** Points of the course that are kept. */
const COURSE_POINTS = 20;

/**
 * Makes the supernet of a space. Choices that the recipe neither gates nor picks keep their defaults.
 *
 * @throws as `createNetwork`
 */
export function createSupernet(use: NetworkUse, space: Space, seed: number): Supernet {
  const control: GateControl = { temperature: ANNEALING.first, random: createRandom(seed) };
  const valuesOf = (name: string): readonly Value[] =>
    space.choices.find((choice) => choice.name === name)?.values ?? [];
  let configuration = defaultOf(space);
  for (;;) {
    const hooks = gateHooks(valuesOf, control);
    const { model, gates, picks } = createNetwork(use, configuration, { seed, hooks });
    const widest = { ...configuration };
    for (const name of gates) widest[name] = Math.max(...(valuesOf(name) as number[]));
    const isWidest = [...gates].every((name) => widest[name] === configuration[name]);
    if (isWidest) {
      const choices = [...hooks.gates.keys()].map((name): SoftChoice => {
        return { name, kind: picks.has(name) ? 'pick' : 'gate', values: valuesOf(name) };
      });
      return { model, gates: hooks.gates, configuration, choices, control };
    }
    model.dispose();
    configuration = widest;
  }
}

/** A supernet whose gates have trained. */
export interface TrainedSupernet {
  /** The caller disposes of its model. */
  readonly net: Supernet;
  /** Expected milliseconds during the training, and the weight of the latency. */
  readonly course: readonly { readonly milliseconds: number; readonly weight: number }[];
}

/**
 * Trains a supernet once, with a loss of `loss + λ · expected latency / limit`. λ follows what the latency is
 * above the limit (a Lagrange multiplier), while the temperature of the gates falls from 1 to 0.05.
 *
 * Source: B. Wu et al., "FBNet" (2019); for widths: A. Gordon et al., "MorphNet" (2018).
 *
 * @param goal `limit`: milliseconds, as the table predicts them
 */
export async function trainSupernet(
  { use, space, training }: { use: NetworkUse; space: Space; training: NetworkTraining },
  latency: Latency,
  { limit, epochs }: { readonly limit: number; readonly epochs: number },
): Promise<TrainedSupernet> {
  const net = createSupernet(use, space, training.seed);
  try {
    const surface = await surfaceOf(net, space, latency);
    const schedule = createSchedule(net, surface, limit);
    const task = await networkTask(net.model, training);
    const latencyTask: Task = {
      ...task,
      loss: (outputs, batch) => tf.add(task.loss(outputs, batch), schedule.penalty()),
    };
    await trainNetwork(latencyTask, training, { epochs, parts: [schedule] });
    return { net, course: schedule.course };
  } catch (error) {
    net.model.dispose();
    throw error;
  }
}

/** Fits the latency of networks with the supernet's structure. */
export async function surfaceOf(net: Supernet, space: Space, latency: Latency): Promise<LatencySurface> {
  const random = createRandom(1);
  const soft = new Set(net.choices.map(({ name }) => name));
  const fixed = Object.entries(net.configuration).filter(([name]) => !soft.has(name));
  const around = {
    choices: space.choices
      .filter(({ name }) => name in net.configuration)
      .map((choice) =>
        soft.has(choice.name) ? choice : { ...choice, values: [fixedValue(fixed, choice.name)] },
      ),
  };
  const features = net.choices.reduce(
    (sum, { kind, values }) => sum + (kind === 'gate' ? 1 : values.length),
    0,
  );
  const terms = 1 + features + (features * (features + 1)) / 2;
  const count = Math.max(SURFACE_SAMPLES.least, SURFACE_SAMPLES.perTerm * terms);
  const drawn = Array.from({ length: count }, () => sample(around, random));
  const configurations = [net.configuration, ...drawn];
  await latency.measure(configurations);
  const samples = configurations.map((configuration) => {
    return { configuration, milliseconds: latency.costOf(configuration).milliseconds };
  });
  return new LatencySurface(net.choices, samples);
}

function fixedValue(fixed: readonly (readonly [string, Value])[], name: string): Value {
  return (fixed.find(([each]) => each === name) as readonly [string, Value])[1];
}

/** A part without parameters: it sets the temperature and the weight of the latency before each step. */
interface Schedule extends DiffPart {
  readonly course: { milliseconds: number; weight: number }[];
  penalty(): tf.Scalar;
}

function createSchedule({ gates, control }: Supernet, surface: LatencySurface, limit: number): Schedule {
  let [weight, last, expected] = [0, 0, 0];
  const course: Schedule['course'] = [];
  const latencyNow = (): tf.Scalar =>
    surface.expected(new Map([...gates].map(([name, gate]) => [name, gate.share()])));
  return {
    tensors: [],
    parameters: [],
    course,
    penalty: () => tf.mul(latencyNow(), weight / limit),
    advance({ done }) {
      const share = Math.max(0, done - ANNEALING.from) / (1 - ANNEALING.from);
      control.temperature = ANNEALING.first * (ANNEALING.last / ANNEALING.first) ** share;
      expected = tf.tidy(() => latencyNow().dataSync()[0] as number);
      if (share > 0) weight += MULTIPLIER_RATE * (done - last) * (expected / limit - 1);
      weight = Math.max(0, weight);
      last = done;
      if (done >= course.length / COURSE_POINTS) course.push({ milliseconds: expected, weight });
    },
    read() {},
    materialise: () => new Map(),
    pullBack: () => [],
    ops: () => [],
    describe: () => ({ latency: expected, temperature: control.temperature }),
    dispose() {},
  };
}

/**
 * Reads the choices of trained gates: the branch with the largest logit, the width of the open gates. Then
 * widths are lowered, least logits first, until the sum over the table of layers and the size are within
 * their limits, or raised, largest logits first, as far as these allow.
 *
 * @returns undefined if the smallest widths are above a limit
 */
export async function deriveConfiguration(
  { gates, choices, configuration }: Supernet,
  latency: Latency,
  { limit, isSmall }: Pick<NetworkSearch, 'limit' | 'isSmall'>,
): Promise<Configuration | undefined> {
  const found: Record<string, Value> = { ...configuration };
  for (const { name, kind, values } of choices) {
    const logits = (gates.get(name) as Gate).logits();
    found[name] = kind === 'pick' ? (values[indexOfLargest(logits)] as Value) : openWidth(logits, values);
  }
  const isWithin = async (of: Configuration): Promise<boolean> => {
    await latency.measure([of]);
    const cost = latency.costOf(of);
    return cost.milliseconds <= limit && isSmall(cost);
  };
  const widths = choices.filter(({ kind }) => kind === 'gate').map((choice) => widthSteps(choice, gates));
  while (!(await isWithin(found))) {
    const [weakest] = widths
      .flatMap((width) => width.below(found[width.name] as number))
      .sort((a, b) => a.logit - b.logit);
    if (weakest === undefined) return undefined;
    found[weakest.name] = weakest.value;
  }
  for (;;) {
    const larger = widths
      .flatMap((width) => width.above(found[width.name] as number))
      .sort((a, b) => b.logit - a.logit);
    let fits: (typeof larger)[number] | undefined;
    for (const each of larger)
      if (fits === undefined && (await isWithin({ ...found, [each.name]: each.value }))) fits = each;
    if (fits === undefined) return found;
    found[fits.name] = fits.value;
  }
}

/** @returns the value that is nearest to the channels whose gates are open */
function openWidth(logits: Float32Array, values: readonly Value[]): number {
  const open = groupOf(values) * logits.filter((each) => each > 0).length;
  const widths = values as readonly number[];
  return widths.reduce((best, each) => (Math.abs(each - open) < Math.abs(best - open) ? each : best));
}

/** A width one step lower or higher, and the logit of the group at its edge. */
interface WidthStep {
  readonly name: string;
  readonly value: number;
  readonly logit: number;
}

function widthSteps({ name, values }: SoftChoice, gates: ReadonlyMap<string, Gate>) {
  const group = groupOf(values);
  const sizes = [...(values as number[])].sort((a, b) => a - b);
  const logits = [...(gates.get(name) as Gate).logits()].sort((a, b) => b - a);
  const logitAt = (width: number): number => logits[width / group - 1] as number;
  return {
    name,
    below(width: number): WidthStep[] {
      const value = sizes[sizes.indexOf(width) - 1];
      return value === undefined ? [] : [{ name, value, logit: logitAt(width) }];
    },
    above(width: number): WidthStep[] {
      const value = sizes[sizes.indexOf(width) + 1];
      return value === undefined ? [] : [{ name, value, logit: logitAt(width + group) }];
    },
  };
}
