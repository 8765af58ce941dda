import * as tf from '@tensorflow/tfjs';
import { type DiffPart, readFloats } from './part.js';
import type { TrainingOptions } from './training-options.js';

/** What an epoch reports. */
export type EpochReport = Parameters<NonNullable<TrainingOptions['onEpoch']>>[0];

/** State of a run between two epochs. */
export interface RunState {
  /** What the run is, as text: a state of another run is not used. */
  readonly run: string;
  readonly step: number;
  /** One for each epoch that has ended. */
  readonly reports: readonly EpochReport[];
  readonly parts: readonly PartState[];
  readonly optimizer: OptimizerState;
}

/** θ of a part, and what else its next steps depend on. */
export interface PartState {
  readonly parameters: readonly Float32Array[];
  readonly own: unknown;
}

/** Values of a variable. */
interface VariableState {
  readonly shape: number[];
  readonly values: Float32Array;
}

/** State of an optimiser, by property: variables, and lists with a variable for each parameter. */
export interface OptimizerState {
  readonly variables: Readonly<Record<string, VariableState>>;
  readonly slots: Readonly<Record<string, readonly SlotState[]>>;
}

interface SlotState extends VariableState {
  readonly originalName: string;
}

/** What optimisers of TensorFlow.js keep for each parameter. */
interface Slot {
  readonly originalName: string;
  readonly variable: tf.Variable;
}

/** Optimisers whose whole state is in their variables and slots. */
const KNOWN: readonly unknown[] = [
  tf.AdamOptimizer,
  tf.AdamaxOptimizer,
  tf.AdagradOptimizer,
  tf.AdadeltaOptimizer,
  tf.MomentumOptimizer,
  tf.RMSPropOptimizer,
  tf.SGDOptimizer,
];

/** @returns whether an optimiser can be saved: those of TensorFlow.js can, others may keep state anywhere */
export function canSave(optimizer: tf.Optimizer): boolean {
  return KNOWN.includes(optimizer.constructor);
}

/**
 * Reads an optimiser's state, to the bit. Its own `getWeights` does not do: `setWeights` computes powers of
 * the decay rates, which differ from products in the last bits.
 */
export async function saveOptimizer(optimizer: tf.Optimizer): Promise<OptimizerState> {
  const variables: Record<string, VariableState> = {};
  const slots: Record<string, SlotState[]> = {};
  for (const [key, value] of Object.entries(optimizer)) {
    if (value instanceof tf.Variable) variables[key] = await saveVariable(value);
    else if (isSlots(value)) slots[key] = await Promise.all(value.map(saveSlot));
  }
  return { variables, slots };
}

/** Gives a new optimiser the state of another one of its class and settings. */
export function restoreOptimizer(optimizer: tf.Optimizer, { variables, slots }: OptimizerState): void {
  const own = optimizer as unknown as Record<string, tf.Variable | Slot[]>;
  for (const [key, { values }] of Object.entries(variables)) assign(own[key] as tf.Variable, values);
  for (const [key, saved] of Object.entries(slots)) own[key] = saved.map(createSlot);
}

/** Reads θ and the own state of some parts. */
export function saveParts(parts: readonly DiffPart[]): Promise<PartState[]> {
  const save = async (part: DiffPart): Promise<PartState> => ({
    parameters: await Promise.all(part.parameters.map(readFloats)),
    own: await part.save?.(),
  });
  return Promise.all(parts.map(save));
}

/** Gives parts that were created in the same way the state of others. */
export function restoreParts(parts: readonly DiffPart[], states: readonly PartState[]): void {
  for (const [i, part] of parts.entries()) {
    const { parameters, own } = states[i] as PartState;
    for (const [j, values] of parameters.entries()) assign(part.parameters[j] as tf.Variable, values);
    part.restore?.(own as never);
  }
}

/** Sets a variable's values. */
export function assign(variable: tf.Variable, values: Float32Array): void {
  tf.tidy(() => variable.assign(tf.tensor(values.slice(), variable.shape)));
}

async function saveVariable(variable: tf.Variable): Promise<VariableState> {
  return { shape: variable.shape, values: await readFloats(variable) };
}

async function saveSlot({ originalName, variable }: Slot): Promise<SlotState> {
  return { originalName, ...(await saveVariable(variable)) };
}

function createSlot({ originalName, shape, values }: SlotState): Slot {
  const variable = tf.tidy(() => tf.variable(tf.tensor(values.slice(), shape), false));
  return { originalName, variable };
}

function isSlots(value: unknown): value is Slot[] {
  return Array.isArray(value) && value.every((slot) => slot?.variable instanceof tf.Variable);
}
