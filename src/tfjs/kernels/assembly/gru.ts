import { tanh4 } from './functions';
import { feedInputs, feedState, pullInputs, pullRecurrent, pullState, shiftStates } from './layer';
import { loadPart, storePart } from './parts';
import { gate, gateSlope, previousRow, previousState, Recurrence, tanhSlope } from './recurrence';
import { addFloats, clear, floatAt } from './vectors';

/** Update, reset, candidate. */
const GATES: i32 = 3;

/**
 * A gated recurrent unit that resets its state before the product, for all steps.
 *
 * Source: K. Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder", 2014.
 */
export function gruForward(r: Recurrence): void {
  feedInputs(r, GATES);
  for (let step = 0; step < r.steps; step++) {
    const previous = previousState(r, r.first, r.hidden, step);
    const row = previousRow(r, step);
    feedState(r, GATES, 0, 2, step, previous, row);
    for (let b = 0; b < r.batch; b++) resetState(r, gatesAt(r, b, step), floatAt(previous, b * row), b);
    feedState(r, GATES, 2, 3, step, r.temporary, r.units);
    for (let b = 0; b < r.batch; b++) {
      updateState(r, gatesAt(r, b, step), floatAt(previous, b * row), stateAt(r, r.hidden, b, step));
    }
  }
}

@inline
function gatesAt(r: Recurrence, b: i32, step: i32): usize {
  return floatAt(r.gates, (b * r.steps + step) * GATES * r.units);
}

@inline
function stateAt(r: Recurrence, states: usize, b: i32, step: i32): usize {
  return floatAt(states, (b * r.steps + step) * r.units);
}

/** Computes the update and reset gates; the state after the reset gate is stored in the temporaries. */
function resetState(r: Recurrence, gates: usize, previous: usize, b: i32): void {
  const bytes = (<usize>r.units) << 2;
  const reset = floatAt(r.temporary, b * r.units);
  let at: usize = 0;
  while (at < bytes) {
    const isWhole = at + 16 <= bytes;
    const open = gate(r, loadPart(gates + bytes + at, isWhole));
    storePart(gates + at, gate(r, loadPart(gates + at, isWhole)), isWhole);
    storePart(gates + bytes + at, open, isWhole);
    storePart(reset + at, f32x4.mul(open, loadPart(previous + at, isWhole)), isWhole);
    at += isWhole ? 16 : 4;
  }
}

function updateState(r: Recurrence, gates: usize, previous: usize, next: usize): void {
  const bytes = (<usize>r.units) << 2;
  let at: usize = 0;
  while (at < bytes) {
    const isWhole = at + 16 <= bytes;
    const z = loadPart(gates + at, isWhole);
    const candidate = tanh4(loadPart(gates + 2 * bytes + at, isWhole));
    const kept = f32x4.mul(z, loadPart(previous + at, isWhole));
    storePart(gates + 2 * bytes + at, candidate, isWhole);
    storePart(next + at, f32x4.add(kept, f32x4.mul(f32x4.sub(f32x4.splat(1), z), candidate)), isWhole);
    at += isWhole ? 16 : 4;
  }
}

/** Gradients with respect to all inputs, given those with respect to every hidden state. */
export function gruBackward(r: Recurrence): void {
  const stateFloats = r.batch * r.units;
  const resets = floatAt(r.temporary, r.steps * stateFloats);
  // The temporaries hold the previous states, those after the reset gate, and the gradient with respect to
  // the latter.
  const dReset = floatAt(resets, r.steps * stateFloats);
  const previous = r.temporary;
  const dState = r.dFirst;
  shiftStates(r, previous);
  clear(dState, stateFloats);
  for (let step = r.steps - 1; step >= 0; step--) {
    for (let b = 0; b < r.batch; b++) {
      addFloats(floatAt(dState, b * r.units), stateAt(r, r.dHidden, b, step), r.units);
      pullUpdate(r, b, step, stateAt(r, previous, b, step), floatAt(dState, b * r.units));
    }
    pullState(r, GATES, 2, 3, step, dReset, 0);
    for (let b = 0; b < r.batch; b++) {
      const from = stateAt(r, previous, b, step);
      const out = stateAt(r, resets, b, step);
      pullReset(r, b, step, from, floatAt(dReset, b * r.units), floatAt(dState, b * r.units), out);
    }
    pullState(r, GATES, 0, 2, step, dState, 1);
  }
  pullInputs(r, GATES);
  pullRecurrent(r, GATES, 0, 2, previous);
  pullRecurrent(r, GATES, 2, 3, resets);
}

@inline
function dGatesAt(r: Recurrence, b: i32, step: i32): usize {
  return floatAt(r.dGates, (b * r.steps + step) * GATES * r.units);
}

/**
 * Computes the gradients of the update gate and the candidate from that of a state; the rest is passed on.
 */
function pullUpdate(r: Recurrence, b: i32, step: i32, previous: usize, dState: usize): void {
  const bytes = (<usize>r.units) << 2;
  const gates = gatesAt(r, b, step);
  const dGates = dGatesAt(r, b, step);
  let at: usize = 0;
  while (at < bytes) {
    const isWhole = at + 16 <= bytes;
    const z = loadPart(gates + at, isWhole);
    const candidate = loadPart(gates + 2 * bytes + at, isWhole);
    const d = loadPart(dState + at, isWhole);
    const dz = f32x4.mul(d, f32x4.sub(loadPart(previous + at, isWhole), candidate));
    const dCandidate = f32x4.mul(d, f32x4.sub(f32x4.splat(1), z));
    storePart(dGates + at, f32x4.mul(dz, gateSlope(r, z)), isWhole);
    storePart(dGates + 2 * bytes + at, f32x4.mul(dCandidate, tanhSlope(candidate)), isWhole);
    storePart(dState + at, f32x4.mul(d, z), isWhole);
    at += isWhole ? 16 : 4;
  }
}

function pullReset(
  r: Recurrence,
  b: i32,
  step: i32,
  previous: usize,
  dReset: usize,
  dState: usize,
  reset: usize,
): void {
  const bytes = (<usize>r.units) << 2;
  const gates = gatesAt(r, b, step) + bytes;
  const dGates = dGatesAt(r, b, step) + bytes;
  let at: usize = 0;
  while (at < bytes) {
    const isWhole = at + 16 <= bytes;
    const open = loadPart(gates + at, isWhole);
    const state = loadPart(previous + at, isWhole);
    const d = loadPart(dReset + at, isWhole);
    const passed = f32x4.add(loadPart(dState + at, isWhole), f32x4.mul(d, open));
    storePart(dGates + at, f32x4.mul(f32x4.mul(d, state), gateSlope(r, open)), isWhole);
    storePart(dState + at, passed, isWhole);
    storePart(reset + at, f32x4.mul(open, state), isWhole);
    at += isWhole ? 16 : 4;
  }
}
