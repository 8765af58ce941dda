import { product } from './product';
import { previousRow, previousState, Recurrence } from './recurrence';
import { sumRows } from './rows';
import { copyFloats, floatAt } from './vectors';

/** Contribution of the inputs to all gates, for all steps at once: `x * kernel + bias`. */
export function feedInputs(r: Recurrence, gateCount: i32): void {
  const width = gateCount * r.units;
  const rows = r.batch * r.steps;
  if (r.bias) {
    for (let row = 0; row < rows; row++) copyFloats(floatAt(r.gates, row * width), r.bias, width);
  }
  const isAdded = i32(r.bias != 0);
  product(rows, width, r.inputs, r.x, r.inputs, 1, r.kernel, width, 1, r.gates, width, isAdded, r.scratch);
}

/** Adds `state * recurrent` of some gates to their inputs at one step. */
export function feedState(
  r: Recurrence,
  gateCount: i32,
  firstGate: i32,
  endGate: i32,
  step: i32,
  state: usize,
  stateRow: i32,
): void {
  const width = gateCount * r.units;
  const columns = (endGate - firstGate) * r.units;
  const weights = floatAt(r.recurrent, firstGate * r.units);
  const out = floatAt(r.gates, step * width + firstGate * r.units);
  product(r.batch, columns, r.units, state, stateRow, 1, weights, width, 1, out, r.steps * width, 1, r.scratch);
}

/** Pulls the gradient of some gates' inputs at one step back to the previous state. */
export function pullState(
  r: Recurrence,
  gateCount: i32,
  firstGate: i32,
  endGate: i32,
  step: i32,
  dState: usize,
  isAdded: i32,
): void {
  const width = gateCount * r.units;
  const columns = (endGate - firstGate) * r.units;
  const weights = floatAt(r.recurrent, firstGate * r.units);
  const gradients = floatAt(r.dGates, step * width + firstGate * r.units);
  const units = r.units;
  product(r.batch, units, columns, gradients, r.steps * width, 1, weights, 1, width, dState, units, isAdded, r.scratch);
}

/** Gradient of the recurrent weights of some gates, from the previous states of all steps at once. */
export function pullRecurrent(r: Recurrence, gateCount: i32, firstGate: i32, endGate: i32, states: usize): void {
  const width = gateCount * r.units;
  const columns = (endGate - firstGate) * r.units;
  const gradients = floatAt(r.dGates, firstGate * r.units);
  const out = floatAt(r.dRecurrent, firstGate * r.units);
  const rows = r.batch * r.steps;
  product(r.units, columns, rows, states, 1, r.units, gradients, width, 1, out, width, 0, r.scratch);
}

/** Gradients by inputs, input weights and biases, for all steps at once. */
export function pullInputs(r: Recurrence, gateCount: i32): void {
  const width = gateCount * r.units;
  const rows = r.batch * r.steps;
  const inputs = r.inputs;
  product(inputs, width, rows, r.x, 1, inputs, r.dGates, width, 1, r.dKernel, width, 0, r.scratch);
  if (r.dx) product(rows, inputs, width, r.dGates, width, 1, r.kernel, 1, width, r.dx, inputs, 0, r.scratch);
  if (r.dBias) sumRows(r.dGates, rows, width, 1, r.dBias);
}

/** Writes out the previous hidden state of every step. */
export function shiftStates(r: Recurrence, states: usize): void {
  for (let step = 0; step < r.steps; step++) {
    const source = previousState(r, r.first, r.hidden, step);
    const row = previousRow(r, step);
    for (let b = 0; b < r.batch; b++) {
      copyFloats(floatAt(states, (b * r.steps + step) * r.units), floatAt(source, b * row), r.units);
    }
  }
}
