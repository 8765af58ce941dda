/** What a test wants in a WAV file; the defaults make a good one. */
export interface WavRecipe {
  readonly data: Uint8Array;
  readonly encoding?: number;
  readonly channels?: number;
  readonly sampleRate?: number;
  readonly bits?: number;
  /** Chunks between the format and the data. */
  readonly between?: Uint8Array;
}

const text = (value: string) => new TextEncoder().encode(value);

const joined = (parts: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(parts));

/** A RIFF chunk, padded to an even length. */
export function chunk(tag: string, body: Uint8Array): Uint8Array {
  const size = new Uint8Array(4);
  new DataView(size.buffer).setUint32(0, body.byteLength, true);
  return joined([text(tag), size, body, new Uint8Array(body.byteLength % 2)]);
}

/** A WAV file. */
export function wavBytes(recipe: WavRecipe): Uint8Array {
  const { data, encoding = 1, channels = 1, sampleRate = 8_000, bits = 16, between } = recipe;
  const format = new DataView(new ArrayBuffer(16));
  format.setUint16(0, encoding, true);
  format.setUint16(2, channels, true);
  format.setUint32(4, sampleRate, true);
  format.setUint32(8, (sampleRate * channels * bits) / 8, true);
  format.setUint16(12, (channels * bits) / 8, true);
  format.setUint16(14, bits, true);
  const chunks = [
    chunk('fmt ', new Uint8Array(format.buffer)),
    between ?? new Uint8Array(),
    chunk('data', data),
  ];
  return chunk('RIFF', joined([text('WAVE'), ...chunks]));
}

/** Samples as 16-bit PCM. */
export function pcm16(samples: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(2 * samples.length));
  samples.forEach((sample, index) => {
    view.setInt16(2 * index, sample, true);
  });
  return new Uint8Array(view.buffer);
}
