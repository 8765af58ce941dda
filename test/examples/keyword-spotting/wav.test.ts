import { describe, expect, it } from 'vitest';
import { readWav, WavError } from '../../../examples/keyword-spotting/wav.js';
import { chunk, pcm16, type WavRecipe, wavBytes } from './wav-bytes.js';

const good = wavBytes({ data: pcm16([0, 16_384, -32_768]) });

function codeOf(bytes: Uint8Array): string {
  try {
    readWav(bytes);
  } catch (error) {
    if (error instanceof WavError) return error.code;
    throw error;
  }
  return 'read';
}

describe('readWav()', () => {
  it('reads 16-bit samples and their rate', () => {
    expect(readWav(good)).toEqual({ samples: Float32Array.of(0, 0.5, -1), sampleRate: 8_000 });
  });

  it('reads 8-bit samples around 128', () => {
    const { samples } = readWav(wavBytes({ data: Uint8Array.of(128, 192, 0, 64), bits: 8 }));
    expect(samples).toEqual(Float32Array.of(0, 0.5, -1, -0.5));
  });

  it('mixes stereo to one channel', () => {
    const { samples } = readWav(wavBytes({ data: pcm16([16_384, 0, -16_384, 16_384]), channels: 2 }));
    expect(samples).toEqual(Float32Array.of(0.25, 0));
  });

  it('skips chunks it does not know, padding included', () => {
    const between = chunk('LIST', Uint8Array.of(1, 2, 3));
    expect(readWav(wavBytes({ data: pcm16([16_384]), between })).samples).toEqual(Float32Array.of(0.5));
  });

  it('reads a view with a non-zero byteOffset', () => {
    const padded = new Uint8Array(good.byteLength + 7);
    padded.set(good, 3);
    expect(readWav(padded.subarray(3, 3 + good.byteLength))).toEqual(readWav(good));
  });

  it('refuses what is no WAV file', () => {
    expect(codeOf(new Uint8Array())).toBe('not-wav');
    expect(codeOf(new TextEncoder().encode('OggS and much more of it'))).toBe('not-wav');
  });

  it('refuses data before its format', () => {
    const body = Buffer.concat([Buffer.from('WAVE'), chunk('data', pcm16([1]))]);
    expect(codeOf(chunk('RIFF', body))).toBe('not-wav');
  });

  const unsupported: [string, Partial<WavRecipe>][] = [
    ['floating point', { encoding: 3 }],
    ['extensible formats', { encoding: 0xfffe }],
    ['three channels', { channels: 3 }],
    ['no channels', { channels: 0 }],
    ['24 bits', { bits: 24 }],
    ['a rate of zero', { sampleRate: 0 }],
    ['a rate beyond reason', { sampleRate: 4_000_000_000 }],
  ];
  it.each(unsupported)('refuses %s', (_, recipe) => {
    expect(codeOf(wavBytes({ data: new Uint8Array(12), ...recipe }))).toBe('unsupported');
  });

  it('refuses a block size that contradicts the format', () => {
    const bytes = good.slice();
    bytes[32] = 7;
    expect(codeOf(bytes)).toBe('unsupported');
  });

  it('refuses a file without samples', () => {
    expect(codeOf(wavBytes({ data: new Uint8Array() }))).toBe('no-audio');
  });

  it('refuses half a sample', () => {
    expect(codeOf(wavBytes({ data: new Uint8Array(3) }))).toBe('truncated');
  });

  it('refuses a chunk that claims more bytes than there are', () => {
    const bytes = good.slice();
    bytes.fill(0xff, 40, 44);
    expect(codeOf(bytes)).toBe('truncated');
  });

  it('refuses every shorter file', () => {
    for (let length = 0; length < good.byteLength; length += 1) {
      expect(codeOf(good.subarray(0, length))).toBe(length < 12 ? 'not-wav' : 'truncated');
    }
  });

  it('answers every flipped byte with samples or a WavError', () => {
    for (let index = 0; index < good.byteLength; index += 1) {
      const bytes = good.slice();
      bytes[index]! ^= 0xff;
      expect(['read', 'not-wav', 'truncated', 'unsupported', 'no-audio']).toContain(codeOf(bytes));
    }
  });
});
