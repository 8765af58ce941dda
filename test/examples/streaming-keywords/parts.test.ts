import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createResampler } from '../../../examples/keyword-spotting/clip.js';
import { readWav } from '../../../examples/keyword-spotting/wav.js';
import { addScores, createDecoder, scoreStream } from '../../../examples/streaming-keywords/decode.js';
import { createFramer, FRAME_SAMPLES, WINDOW_FEATURES } from '../../../examples/streaming-keywords/frames.js';
import { createStreamResampler } from '../../../examples/streaming-keywords/resample-stream.js';
import { twice, writeWav } from '../../../examples/streaming-keywords/sound.js';
import { makeStreams, STREAM_SECONDS } from '../../../examples/streaming-keywords/streams.js';
import { seededFloats } from '../../support.js';

const digestOf = (samples: Float32Array): string => createHash('sha256').update(samples).digest('hex');

/** @returns what is made of sound that comes in pieces of some length */
function inPieces<T>(sound: Float32Array, length: number, push: (piece: Float32Array) => T): T[] {
  const made: T[] = [];
  for (let at = 0; at < sound.length; at += length) made.push(push(sound.subarray(at, at + length)));
  return made;
}

const sound = seededFloats(5, 20 * FRAME_SAMPLES + 81);

test.each([1, 37, 640])('createFramer() gives equal windows for pieces of %i samples', (length) => {
  const whole = createFramer().push(sound);
  const framer = createFramer();
  const windows = inPieces(sound, length, (piece) => framer.push(piece)).flat();
  expect(windows).toEqual(whole);
  expect(windows).toHaveLength(20);
  expect(new Set(windows.map((window) => window.length))).toEqual(new Set([WINDOW_FEATURES]));
  expect(windows[1]?.subarray(0, 400)).toEqual(windows[0]?.subarray(80));
});

test.each([8_000, 44_100, 48_000])(
  'createStreamResampler() from %i Hz gives what a whole clip does',
  (rate) => {
    const whole = createResampler(rate)(sound);
    const resample = createStreamResampler(rate);
    const pieces = inPieces(sound, 331, resample);
    const made = Float32Array.from(pieces.flatMap((piece) => [...piece]));
    expect(made.length).toBeGreaterThan(whole.length - 700);
    expect(made).toEqual(whole.subarray(0, made.length));
    expect(createStreamResampler(16_000)(sound)).toBe(sound);
  },
);

describe('makeStreams()', () => {
  const words = ['yes', 'no'].map((word, i) => ({ word, stage: 0, samples: seededFloats(i, 8_000) }));
  const make = (seed: number) => makeStreams(words, { count: 3, seed, split: 'test', stage: 0 });

  test('makes equal streams of equal seeds', () => {
    const [first, again, other] = [make(1), make(1), make(2)];
    expect(again.map(({ words }) => words)).toEqual(first.map(({ words }) => words));
    const digests = (streams: typeof first) => streams.map(({ samples }) => digestOf(samples));
    expect(digests(again)).toEqual(digests(first));
    expect(new Set([...digests(first), ...digests(other)]).size).toBe(6);
  });

  test('places words one after another, the last half a second before the end', () => {
    for (const { samples, words } of make(1)) {
      expect(samples).toHaveLength(STREAM_SECONDS * 16_000);
      expect(words.length).toBeGreaterThan(1);
      words.forEach(({ start, end }, i) => {
        expect(end - start).toBe(8_000);
        expect(start).toBeGreaterThan(words[i - 1]?.end ?? 0);
        expect(end).toBeLessThanOrEqual(samples.length - 8_000);
      });
    }
  });
});

test('writeWav() writes what readWav() reads', () => {
  const read = readWav(writeWav(Float32Array.of(0, 0.5, -1, 2)));
  expect(read.sampleRate).toBe(16_000);
  for (const [i, value] of [0, 0.5, -1, 1].entries()) expect(read.samples[i]).toBeCloseTo(value, 4);
});

test('twice() moves the words of the second half', () => {
  const once = { samples: sound.subarray(0, 10 * FRAME_SAMPLES), spoken: [{ label: 1, first: 2, last: 4 }] };
  const { samples, spoken } = twice(once);
  expect(samples.subarray(once.samples.length)).toEqual(once.samples);
  expect(spoken).toEqual([...once.spoken, { label: 1, first: 12, last: 14 }]);
});

describe('createDecoder()', () => {
  /** @returns the words that are reported, by frame, for the probabilities of class 1 and 2 */
  const decode = (frames: readonly (readonly [number, number])[]): [number, number][] => {
    const decoder = createDecoder(3, 0.6);
    return frames.flatMap(([one, two], frame): [number, number][] => {
      const word = decoder.push([1 - one - two, one, two]);
      return word === undefined ? [] : [[frame, word]];
    });
  };
  const times = (count: number, one: number, two = 0) =>
    Array.from({ length: count }, () => [one, two] as const);

  test('reports a word once its mean over three frames is over the threshold', () => {
    expect(decode(times(5, 0.9))).toEqual([[2, 1]]);
    expect(decode([...times(1, 0.95), ...times(3, 0)])).toEqual([]);
    expect(decode([...times(2, 0.95), ...times(3, 0)])).toEqual([[1, 1]]);
    expect(decode(times(5, 0.5))).toEqual([]);
  });

  test('reports a word again only after it was gone', () => {
    expect(decode([...times(6, 0.9), ...times(3, 0.5), ...times(6, 0.9)])).toEqual([[2, 1]]);
    expect(decode([...times(6, 0.9), ...times(4, 0), ...times(6, 0.9)])).toEqual([
      [2, 1],
      [12, 1],
    ]);
  });

  test('pauses after a word', () => {
    const reports = decode([...times(3, 0.9), ...times(9, 0, 0.9)]);
    expect(reports).toEqual([
      [2, 1],
      [6, 2],
    ]);
  });
});

describe('scoreStream()', () => {
  const spoken = [
    { label: 1, first: 10, last: 20 },
    { label: 2, first: 30, last: 40 },
  ];

  test('counts a report from the first frame of its word to 12 after its last', () => {
    const hitsAt = (frame: number) => scoreStream([{ label: 1, frame }], spoken).hits;
    expect([9, 10, 32, 33].map(hitsAt)).toEqual([0, 1, 1, 0]);
  });

  test('counts a word once, and others as false alarms', () => {
    const reports = [15, 18, 35].map((frame) => ({ label: 1, frame }));
    expect(scoreStream(reports, spoken)).toEqual({ spoken: 2, hits: 1, falseAlarms: 2, edits: 2 });
    expect(scoreStream([], spoken)).toEqual({ spoken: 2, hits: 0, falseAlarms: 0, edits: 2 });
  });

  test('adds up with addScores()', () => {
    const score = scoreStream([{ label: 2, frame: 31 }], spoken);
    expect(addScores([score, score])).toEqual({ spoken: 4, hits: 2, falseAlarms: 0, edits: 2 });
  });
});
