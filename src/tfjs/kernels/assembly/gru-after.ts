import { tanh4 } from './functions';
import { feedInputs, feedState, pullInputs, pullRecurrent, pullState, shiftStates } from './layer';
import { loadPart, storePart } from './parts';
import { gate, gateSlope, previousRow, previousState, Recurrence, tanhSlope } from './recurrence';
import { addFloats, clear, floatAt } from './vectors';

/** Update, reset, candidate from the inputs, candidate from the state. */
const GATES: i32 = 4;

/**
 * A gated recurrent unit that resets the product of its state, for all steps.
 *
 * Source: K. Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder", 2014, with the reset
 * gate after the product, as in cuDNN.
 */
export function gruAfterForward(r: Recurrence): void {
  feedInputs(r, GATES);
  for (let step = 0; step < r.steps; step++) {
    const previous = previousState(r, r.first, r.hidden, step);
    const row = previousRow(r, step);
    feedState(r, GATES, 0, 2, step, previous, row);
    feedState(r, GATES, 3, 4, step, previous, row);
    for (let b = 0; b < r.batch; b++) {
      const at = b * r.steps + step;
      openGates(r, floatAt(r.gates, at * GATES * r.units), floatAt(previous, b * row), floatAt(r.hidden, at * r.units));
    }
  }
}

function openGates(r: Recurrence, gates: usize, previous: usize, next: usize): void {
  const bytes = (<usize>r.units) << 2;
  let at: usize = 0;
  while (at < bytes) {
    const isWhole = at + 16 <= bytes;
    const place = gates + at;
    const z = gate(r, loadPart(place, isWhole));
    const open = gate(r, loadPart(place + bytes, isWhole));
    const shown = f32x4.mul(open, loadPart(place + 3 * bytes, isWhole));
    const candidate = tanh4(f32x4.add(loadPart(place + 2 * bytes, isWhole), shown));
    storePart(place, z, isWhole);
    storePart(place + bytes, open, isWhole);
    storePart(place + 2 * bytes, candidate, isWhole);
    const kept = f32x4.mul(z, loadPart(previous + at, isWhole));
    storePart(next + at, f32x4.add(kept, f32x4.mul(f32x4.sub(f32x4.splat(1), z), candidate)), isWhole);
    at += isWhole ? 16 : 4;
  }
}

/** Gradients with respect to all inputs, given those with respect to every hidden state. */
export function gruAfterBackward(r: Recurrence): void {
  const dState = r.dFirst;
  const previous = r.temporary;
  shiftStates(r, previous);
  clear(dState, r.batch * r.units);
  for (let step = r.steps - 1; step >= 0; step--) {
    for (let b = 0; b < r.batch; b++) {
      const at = b * r.steps + step;
      const d = floatAt(dState, b * r.units);
      addFloats(d, floatAt(r.dHidden, at * r.units), r.units);
      pullGates(r, at, floatAt(previous, at * r.units), d);
    }
    pullState(r, GATES, 0, 2, step, dState, 1);
    pullState(r, GATES, 3, 4, step, dState, 1);
  }
  pullInputs(r, GATES);
  clear(r.dRecurrent, r.units * GATES * r.units);
  pullRecurrent(r, GATES, 0, 2, previous);
  pullRecurrent(r, GATES, 3, 4, previous);
}

/** Computes the gradients of the gates' inputs from that of a state; the rest is passed on. */
function pullGates(r: Recurrence, at: i32, previous: usize, dState: usize): void {
  const bytes = (<usize>r.units) << 2;
  const gates = floatAt(r.gates, at * GATES * r.units);
  const dGates = floatAt(r.dGates, at * GATES * r.units);
  let i: usize = 0;
  while (i < bytes) {
    const isWhole = i + 16 <= bytes;
    const z = loadPart(gates + i, isWhole);
    const open = loadPart(gates + bytes + i, isWhole);
    const candidate = loadPart(gates + 2 * bytes + i, isWhole);
    const product = loadPart(gates + 3 * bytes + i, isWhole);
    const d = loadPart(dState + i, isWhole);
    const dz = f32x4.mul(d, f32x4.sub(loadPart(previous + i, isWhole), candidate));
    const kept = f32x4.mul(d, f32x4.sub(f32x4.splat(1), z));
    const dCandidate = f32x4.mul(kept, tanhSlope(candidate));
    const dOpen = f32x4.mul(dCandidate, product);
    storePart(dGates + i, f32x4.mul(dz, gateSlope(r, z)), isWhole);
    storePart(dGates + bytes + i, f32x4.mul(dOpen, gateSlope(r, open)), isWhole);
    storePart(dGates + 2 * bytes + i, dCandidate, isWhole);
    storePart(dGates + 3 * bytes + i, f32x4.mul(dCandidate, open), isWhole);
    storePart(dState + i, f32x4.mul(d, z), isWhole);
    i += isWhole ? 16 : 4;
  }
}
