import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { concat } from '../support.js';

interface Weight {
  readonly name: string;
  readonly shape: number[];
  readonly dtype: string;
}

/** Writes a copy of a LayersModel whose matrices are quantised as TensorFlow.js's converter does it. */
export function quantise(from: string, to: string, dtype: 'uint8' | 'uint16' | 'float16'): void {
  const json = JSON.parse(readFileSync(join(from, 'model.json'), 'utf8'));
  const [{ paths, weights }] = json.weightsManifest as [{ paths: string[]; weights: Weight[] }];
  const all = concat(...paths.map((path) => new Uint8Array(readFileSync(join(from, path)))));
  let at = 0;
  const entries = weights.map((weight) => {
    const count = weight.shape.reduce((product, size) => product * size, 1);
    const values = new Float32Array(all.slice(at, at + 4 * count).buffer);
    at += 4 * count;
    return weight.shape.length < 2
      ? { weight, bytes: new Uint8Array(values.buffer) }
      : stored(weight, values, dtype);
  });
  mkdirSync(to);
  writeFileSync(join(to, 'weights.bin'), concat(...entries.map(({ bytes }) => bytes)));
  json.weightsManifest = [{ paths: ['weights.bin'], weights: entries.map(({ weight }) => weight) }];
  writeFileSync(join(to, 'model.json'), JSON.stringify(json));
}

/** Room is left at both ends of the range. */
function stored(weight: Weight, values: Float32Array, dtype: 'uint8' | 'uint16' | 'float16') {
  if (dtype === 'float16') {
    const halves = Uint16Array.from(values, (value) => halfBits(value));
    return { weight: { ...weight, quantization: { dtype } }, bytes: new Uint8Array(halves.buffer) };
  }
  const most = 1.3 * Math.max(...values.map(Math.abs));
  const top = dtype === 'uint8' ? 255 : 65_535;
  const quantization = { dtype, scale: (2 * most) / top, min: -most };
  const integers = values.map((value) => Math.round((value - quantization.min) / quantization.scale));
  const bytes =
    dtype === 'uint8' ? Uint8Array.from(integers) : new Uint8Array(Uint16Array.from(integers).buffer);
  return { weight: { ...weight, quantization }, bytes };
}

/** Weights here are plain numbers of half precision: their lower bits are cut off. */
function halfBits(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0] as number;
  return ((bits >>> 16) & 0x8000) | Math.max(0, ((bits >>> 13) & 0x3ffff) - (112 << 10));
}
