import { describe, expect, test } from 'vitest';
import { type FrameSet, STREAM_FRAMES } from '../../../examples/streaming-keywords/data.js';
import { chooseThreshold, hitsAtFalseAlarms } from '../../../examples/streaming-keywords/measure.js';

/** Something that sounds like a word of class 1 for some frames. */
interface Sound {
  readonly probability: number;
  readonly isSpoken: boolean;
}

const LENGTH = 5;

/** One stream of sounds, one after the other. */
function streamOf(sounds: readonly Sound[]): { probabilities: Float32Array; set: FrameSet } {
  const probabilities = new Float32Array(2 * STREAM_FRAMES);
  const spoken = sounds.flatMap(({ probability, isSpoken }, i) => {
    const first = 4 * LENGTH * i;
    for (let frame = first; frame < first + LENGTH; frame++) probabilities[2 * frame + 1] = probability;
    return isSpoken ? [{ label: 1, first, last: first + LENGTH }] : [];
  });
  const set: FrameSet = {
    streams: 1,
    frames: new Float32Array(),
    energies: new Float32Array(),
    labels: new Int32Array(STREAM_FRAMES),
    spoken: [spoken],
  };
  return { probabilities, set };
}

describe('hitsAtFalseAlarms()', () => {
  const { probabilities, set } = streamOf([
    { probability: 0.9, isSpoken: true },
    { probability: 0.7, isSpoken: false },
    { probability: 0.5, isSpoken: true },
    { probability: 0.5, isSpoken: false },
    { probability: 0.5, isSpoken: false },
  ]);

  test('is the largest share of the words that costs no more', () => {
    const hits = [0, 1, 2, 3, 4].map((alarms) => hitsAtFalseAlarms(probabilities, set, alarms));
    expect(hits).toEqual([0.5, 0.5, 0.5, 1, 1]);
  });

  test('is NaN if every threshold costs more', () => {
    expect(hitsAtFalseAlarms(probabilities, set, -1)).toBeNaN();
  });
});

test('chooseThreshold() prefers one whose neighbours are good to one that is good alone', () => {
  // Thresholds to 0.5 have one edit, 0.55 has none, and those from 0.6 have two.
  const { probabilities, set } = streamOf([
    { probability: 0.52, isSpoken: false },
    { probability: 0.57, isSpoken: true },
    { probability: 0.57, isSpoken: true },
  ]);
  expect(chooseThreshold(probabilities, set)).toEqual({ threshold: 0.5, edits: 2 / 3 });
});
