import { tanh4 } from './functions';
import { feedInputs, feedState, pullInputs, pullRecurrent, pullState, shiftStates } from './layer';
import { loadPart, storePart } from './parts';
import { gate, gateSlope, previousRow, previousState, Recurrence, tanhSlope } from './recurrence';
import { addFloats, clear, floatAt } from './vectors';

/** Input, forget, candidate, output. */
const GATES: i32 = 4;

/**
 * A long short-term memory, over all steps.
 *
 * Source: S. Hochreiter, J. Schmidhuber, "Long Short-Term Memory", 1997; F. A. Gers et al., "Learning to
 * Forget", 2000.
 */
export function lstmForward(r: Recurrence): void {
  feedInputs(r, GATES);
  for (let step = 0; step < r.steps; step++) {
    const row = previousRow(r, step);
    feedState(r, GATES, 0, GATES, step, previousState(r, r.first, r.hidden, step), row);
    const cells = previousState(r, r.firstCell, r.cells, step);
    for (let b = 0; b < r.batch; b++) openGates(r, b * r.steps + step, floatAt(cells, b * row));
  }
}

/** @param at index of a state among all [batch, steps] */
function openGates(r: Recurrence, at: i32, previous: usize): void {
  const bytes = (<usize>r.units) << 2;
  let gates = floatAt(r.gates, at * GATES * r.units);
  let cell = floatAt(r.cells, at * r.units);
  let hidden = floatAt(r.hidden, at * r.units);
  const end = cell + bytes;
  while (cell < end) {
    const isWhole = cell + 16 <= end;
    const input = gate(r, loadPart(gates, isWhole));
    const forget = gate(r, loadPart(gates + bytes, isWhole));
    const candidate = tanh4(loadPart(gates + 2 * bytes, isWhole));
    const output = gate(r, loadPart(gates + 3 * bytes, isWhole));
    const kept = f32x4.mul(forget, loadPart(previous, isWhole));
    const state = f32x4.add(kept, f32x4.mul(input, candidate));
    storePart(gates, input, isWhole);
    storePart(gates + bytes, forget, isWhole);
    storePart(gates + 2 * bytes, candidate, isWhole);
    storePart(gates + 3 * bytes, output, isWhole);
    storePart(cell, state, isWhole);
    storePart(hidden, f32x4.mul(output, tanh4(state)), isWhole);
    const width: usize = isWhole ? 16 : 4;
    gates += width;
    previous += width;
    hidden += width;
    cell += width;
  }
}

/**
 * Gradients with respect to all inputs, given those with respect to every hidden state and, in the place of
 * the first cell state's, the last cell state.
 */
export function lstmBackward(r: Recurrence): void {
  clear(r.dFirst, r.batch * r.units);
  for (let step = r.steps - 1; step >= 0; step--) {
    const cells = previousState(r, r.firstCell, r.cells, step);
    const row = previousRow(r, step);
    for (let b = 0; b < r.batch; b++) {
      const at = b * r.steps + step;
      const dHidden = floatAt(r.dFirst, b * r.units);
      addFloats(dHidden, floatAt(r.dHidden, at * r.units), r.units);
      pullGates(r, at, floatAt(cells, b * row), dHidden, floatAt(r.dFirstCell, b * r.units));
    }
    pullState(r, GATES, 0, GATES, step, r.dFirst, 0);
  }
  pullInputs(r, GATES);
  shiftStates(r, r.temporary);
  pullRecurrent(r, GATES, 0, GATES, r.temporary);
}

function pullGates(r: Recurrence, at: i32, previous: usize, dHidden: usize, dCell: usize): void {
  const bytes = (<usize>r.units) << 2;
  let gates = floatAt(r.gates, at * GATES * r.units);
  let dGates = floatAt(r.dGates, at * GATES * r.units);
  let cell = floatAt(r.cells, at * r.units);
  const end = cell + bytes;
  while (cell < end) {
    const isWhole = cell + 16 <= end;
    const input = loadPart(gates, isWhole);
    const forget = loadPart(gates + bytes, isWhole);
    const candidate = loadPart(gates + 2 * bytes, isWhole);
    const output = loadPart(gates + 3 * bytes, isWhole);
    const shown = tanh4(loadPart(cell, isWhole));
    const d = loadPart(dHidden, isWhole);
    const shownSlope = f32x4.mul(f32x4.mul(d, output), tanhSlope(shown));
    const dState = f32x4.add(loadPart(dCell, isWhole), shownSlope);
    const dInput = f32x4.mul(f32x4.mul(dState, candidate), gateSlope(r, input));
    const dForget = f32x4.mul(f32x4.mul(dState, loadPart(previous, isWhole)), gateSlope(r, forget));
    const dCandidate = f32x4.mul(f32x4.mul(dState, input), tanhSlope(candidate));
    const dOutput = f32x4.mul(f32x4.mul(d, shown), gateSlope(r, output));
    storePart(dGates, dInput, isWhole);
    storePart(dGates + bytes, dForget, isWhole);
    storePart(dGates + 2 * bytes, dCandidate, isWhole);
    storePart(dGates + 3 * bytes, dOutput, isWhole);
    storePart(dCell, f32x4.mul(dState, forget), isWhole);
    const width: usize = isWhole ? 16 : 4;
    gates += width;
    dGates += width;
    previous += width;
    dHidden += width;
    dCell += width;
    cell += width;
  }
}
