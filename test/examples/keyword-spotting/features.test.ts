import { describe, expect, it } from 'vitest';
import {
  CLIP_SAMPLES,
  createResampler,
  drawPlacement,
  placeInClip,
  SAMPLE_RATE,
  trimSilence,
} from '../../../examples/keyword-spotting/clip.js';
import {
  BANDS,
  bandCentre,
  CLIP_FEATURES,
  createFeatureExtractor,
  FRAMES,
  measureNormalisation,
  normaliseFeatures,
} from '../../../examples/keyword-spotting/features.js';

function tone(hertz: number, rate: number = SAMPLE_RATE, seconds = 1): Float32Array {
  return Float32Array.from({ length: rate * seconds }, (_, index) => {
    return 0.5 * Math.sin((2 * Math.PI * hertz * index) / rate);
  });
}

function loudestBand(features: Float32Array, frame: number): number {
  const bands = features.subarray(frame * BANDS, (frame + 1) * BANDS);
  return bands.indexOf(Math.max(...bands));
}

const rms = (samples: Float32Array) => Math.hypot(...samples) / Math.sqrt(samples.length);

describe('createFeatureExtractor()', () => {
  const extract = createFeatureExtractor();

  it('gives 49 frames of 40 bands', () => {
    expect(extract(tone(440)).length).toBe(CLIP_FEATURES);
    expect([FRAMES, BANDS]).toEqual([49, 40]);
  });

  it.each([4, 12, 20, 28, 36])('finds a tone at the centre of band %i in that band', (band) => {
    const features = extract(tone(bandCentre(band)));
    for (const frame of [0, 24, 48]) expect(loudestBand(features, frame)).toBe(band);
  });

  it('gives the floor for silence', () => {
    const features = extract(new Float32Array(CLIP_SAMPLES));
    expect(new Set(features)).toEqual(new Set([Math.fround(Math.log(1e-6))]));
  });

  it('gives the same numbers whatever it heard before', () => {
    const first = extract(tone(300));
    extract(tone(3_000));
    expect(extract(tone(300))).toEqual(first);
    expect(createFeatureExtractor()(tone(300))).toEqual(first);
  });

  it('leaves no band empty', () => {
    const click = new Float32Array(CLIP_SAMPLES);
    click[CLIP_SAMPLES / 2] = 1;
    const features = extract(click);
    const frame = features.subarray(24 * BANDS, 25 * BANDS);
    for (const value of frame) expect(value).toBeGreaterThan(-10);
  });

  it('refuses a clip that is not one second', () => {
    expect(() => extract(new Float32Array(100))).toThrow(RangeError);
  });
});

describe('normaliseFeatures()', () => {
  it('brings the set it was measured on to mean 0 and deviation 1', () => {
    const features = createFeatureExtractor()(tone(500));
    normaliseFeatures(features, measureNormalisation(features));
    const { mean, deviation } = measureNormalisation(features);
    expect(mean).toBeCloseTo(0, 5);
    expect(deviation).toBeCloseTo(1, 5);
  });
});

describe('createResampler()', () => {
  it.each([8_000, 22_050, 44_100])('keeps pitch, loudness and duration of a tone at %i Hz', (rate) => {
    const output = createResampler(rate)(tone(1_000, rate));
    expect(output.length).toBe(SAMPLE_RATE);
    const expected = tone(1_000);
    const middle = output.subarray(1_000, 15_000).map((sample, index) => sample - expected[index + 1_000]!);
    expect(rms(middle)).toBeLessThan(0.002);
  });

  it('removes tones that 16 kHz cannot hold', () => {
    const output = createResampler(44_100)(tone(11_000, 44_100));
    expect(rms(output.subarray(1_000, 15_000))).toBeLessThan(0.002);
  });

  it('copies sound that has the right rate', () => {
    const samples = tone(100);
    const output = createResampler(SAMPLE_RATE)(samples);
    expect(output).toEqual(samples);
    expect(output.buffer).not.toBe(samples.buffer);
  });

  it.each([0, 3_999, 8_000.5, 1e9])('refuses a rate of %d', (rate) => {
    expect(() => createResampler(rate)).toThrow(RangeError);
  });
});

describe('placeInClip()', () => {
  const word = Float32Array.of(0, 0, 0.001, 0.2, -0.4, 0.2, 0, 0);

  it('puts a trimmed word where it should be at the wanted peak', () => {
    const clip = placeInClip(trimSilence(word), { loudness: 0.8, offset: 1 });
    expect(clip.length).toBe(CLIP_SAMPLES);
    expect(clip.subarray(-3)).toEqual(Float32Array.of(0.4, -0.8, 0.4));
    expect(clip.subarray(0, -3).every((sample) => sample === 0)).toBe(true);
  });

  it('keeps the middle of a long word', () => {
    const long = new Float32Array(CLIP_SAMPLES + 100);
    long[50] = 1;
    expect(placeInClip(long, { loudness: 0.5, offset: 0.7 })[0]).toBe(0.5);
  });

  it('draws the same placement for the same seed and name', () => {
    expect(drawPlacement(1, 'a')).toEqual(drawPlacement(1, 'a'));
    expect(drawPlacement(1, 'a')).not.toEqual(drawPlacement(1, 'b'));
    expect(drawPlacement(1, 'a')).not.toEqual(drawPlacement(2, 'a'));
  });
});

describe('trimSilence()', () => {
  it('leaves nothing of silence', () => {
    expect(trimSilence(new Float32Array(10)).length).toBe(0);
  });
});
