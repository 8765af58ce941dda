import createModule, { type ESpeakNGWorker } from '@echogarden/espeak-ng-emscripten';
import type { Sound } from './wav.js';

/*
 * espeak-ng is under the GNU General Public License, version 3. It is a development dependency of this
 * example alone:
 * the example runs it to make training data, and nothing of it is part of the package or of a trained model.
 */

/** How a word is to be spoken. */
export interface Utterance {
  readonly word: string;
  /** Language name of espeak-ng, such as `en-us`. */
  readonly accent: string;
  /** Voice variant of espeak-ng, such as `f2`. */
  readonly voice: string;
  /** Words a minute, 80 to 450. */
  readonly rate: number;
  /** 0 to 100. */
  readonly pitch: number;
  /** Times the natural speed at which the sound is played, as from a shorter or longer throat; default 1. */
  readonly playback?: number;
}

/** Speaks a word. */
export type Speaker = (utterance: Utterance) => Sound;

/**
 * Start a fresh speech synthesiser in wasm. Its noise generator runs on from word to word, so equal sound
 * takes a fresh speaker and the same words in the same order.
 *
 * @returns a speaker; it throws an Error for an accent that espeak-ng does not have and for a word without
 * sound
 */
export async function createSpeaker(): Promise<Speaker> {
  const { eSpeakNGWorker } = await createModule();
  const engine = await new eSpeakNGWorker();
  const sampleRate = engine.get_samplerate();
  return (utterance) => ({ samples: speak(engine, utterance), sampleRate });
}

function speak(engine: ESpeakNGWorker, utterance: Utterance): Float32Array {
  const { word, accent, voice, rate, pitch } = utterance;
  const name = `${accent}+${voice}`;
  if (engine.set_voice(name) !== 0)
    throw new Error(`Cannot speak "${word}": espeak-ng has no voice "${name}"`);
  engine.set_rate(rate);
  engine.set_pitch(pitch);
  const pieces: Int16Array[] = [];
  engine.synthesize(word, (samples) => {
    if (samples) pieces.push(samples);
    return false;
  });
  const total = pieces.reduce((length, piece) => length + piece.length, 0);
  if (total === 0) throw new Error(`Cannot speak "${word}": voice "${name}" made no sound`);
  const result = new Float32Array(total);
  let offset = 0;
  for (const piece of pieces) {
    for (const sample of piece) result[offset++] = sample / 32_768;
  }
  return result;
}
