import { SOURCE_RATES } from './clip.js';

/**
 * Why a WAV file was refused: `not-wav` is no RIFF/WAVE file, `truncated` ends before its headers say it
 * does, `unsupported` is sound in a form this reader does not know, `no-audio` holds no samples. In each case
 * the file is at fault and has to be recorded or converted again.
 */
export type WavErrorCode = 'not-wav' | 'truncated' | 'unsupported' | 'no-audio';

/** A WAV file that cannot be read. */
export class WavError extends Error {
  override readonly name = 'WavError';
  readonly code: WavErrorCode;

  constructor(code: WavErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** Sound of one channel. */
export interface Sound {
  /** -1 to 1. */
  readonly samples: Float32Array;
  /** Samples a second. */
  readonly sampleRate: number;
}

interface Format {
  readonly channels: number;
  readonly sampleRate: number;
  readonly bits: number;
}

const RIFF_HEADER_BYTES = 12;
const CHUNK_HEADER_BYTES = 8;
const FORMAT_BYTES = 16;
const PCM = 1;

/**
 * Read a WAV file of 8- or 16-bit PCM, mono or stereo; stereo is mixed to one channel.
 *
 * @param bytes the whole file
 * @returns samples and rate
 * @throws WavError `not-wav`, `truncated`, `unsupported` or `no-audio`
 */
export function readWav(bytes: Uint8Array): Sound {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.byteLength < RIFF_HEADER_BYTES || tagAt(view, 0) !== 'RIFF' || tagAt(view, 8) !== 'WAVE') {
    throw new WavError('not-wav', 'Cannot read WAV file: expected a RIFF header with type "WAVE"');
  }
  let format: Format | undefined;
  let offset = RIFF_HEADER_BYTES;
  while (offset + CHUNK_HEADER_BYTES <= view.byteLength) {
    const chunk = chunkAt(view, offset);
    if (chunk.tag === 'fmt ') format = readFormat(chunk.body);
    if (chunk.tag === 'data') return readSamples(chunk.body, format);
    offset += CHUNK_HEADER_BYTES + chunk.body.byteLength + (chunk.body.byteLength % 2);
  }
  throw new WavError('truncated', 'Cannot read WAV file: expected a "data" chunk, met the end of the file');
}

function tagAt(view: DataView, offset: number): string {
  return String.fromCharCode(...[0, 1, 2, 3].map((index) => view.getUint8(offset + index)));
}

function chunkAt(view: DataView, offset: number): { tag: string; body: DataView } {
  const tag = tagAt(view, offset);
  const size = view.getUint32(offset + 4, true);
  const start = offset + CHUNK_HEADER_BYTES;
  const left = view.byteLength - start;
  if (size > left) {
    throw new WavError('truncated', `Cannot read WAV chunk "${tag}": expected ${size} bytes, got ${left}`);
  }
  return { tag, body: new DataView(view.buffer, view.byteOffset + start, size) };
}

function readFormat(body: DataView): Format {
  if (body.byteLength < FORMAT_BYTES) {
    const message = `Cannot read WAV format: expected ${FORMAT_BYTES} bytes, got ${body.byteLength}`;
    throw new WavError('truncated', message);
  }
  const channels = body.getUint16(2, true);
  const sampleRate = body.getUint32(4, true);
  const bits = body.getUint16(14, true);
  supported('encoding', body.getUint16(0, true), [PCM]);
  supported('channel count', channels, [1, 2]);
  supported('bits of a sample', bits, [8, 16]);
  supported('block size', body.getUint16(12, true), [(channels * bits) / 8]);
  if (sampleRate < SOURCE_RATES.low || sampleRate > SOURCE_RATES.high) {
    const expected = `${SOURCE_RATES.low} to ${SOURCE_RATES.high}`;
    throw new WavError(
      'unsupported',
      `Cannot read WAV sample rate: expected ${expected} Hz, got ${sampleRate}`,
    );
  }
  return { channels, sampleRate, bits };
}

function supported(field: string, value: number, allowed: readonly number[]): void {
  if (allowed.includes(value)) return;
  throw new WavError(
    'unsupported',
    `Cannot read WAV ${field}: expected ${allowed.join(' or ')}, got ${value}`,
  );
}

function readSamples(body: DataView, format: Format | undefined): Sound {
  if (!format) throw new WavError('not-wav', 'Cannot read WAV data: expected a "fmt " chunk before it');
  const { channels, bits, sampleRate } = format;
  const blockBytes = (channels * bits) / 8;
  if (body.byteLength === 0)
    throw new WavError('no-audio', 'Cannot read WAV data: expected samples, got none');
  if (body.byteLength % blockBytes !== 0) {
    const message = `Cannot read WAV data: expected blocks of ${blockBytes} bytes, got ${body.byteLength} bytes`;
    throw new WavError('truncated', message);
  }
  const samples = new Float32Array(body.byteLength / blockBytes);
  for (let index = 0; index < samples.length; index += 1) {
    let sum = 0;
    for (let channel = 0; channel < channels; channel += 1) {
      sum += readSample(body, (index * channels + channel) * (bits / 8), bits);
    }
    samples[index] = sum / channels;
  }
  return { samples, sampleRate };
}

/** 8-bit PCM is unsigned around 128, 16-bit is signed. */
function readSample(body: DataView, offset: number, bits: number): number {
  return bits === 8 ? (body.getUint8(offset) - 128) / 128 : body.getInt16(offset, true) / 32_768;
}
