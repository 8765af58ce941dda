import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CLIP_FEATURES } from './features.js';
import { type SynthesisOptions, synthesizeFeatures } from './speech.js';

/** Folder of the cache, relative to the working directory; git ignores it. */
const FOLDER = join('.cache', 'speech');

/** Changes when the same utterances give other features. */
const VERSION = 1;

/**
 * Synthesizes speech as `synthesizeFeatures` does, or reads it from the cache, where its file is named by a
 * digest of the utterances and the seed. A file is written under a temporary name and renamed once it is
 * complete.
 */
export async function synthesizeCached(options: SynthesisOptions): Promise<Float32Array> {
  const { utterances, seed, onProgress } = options;
  const key = createHash('sha256').update(JSON.stringify([VERSION, seed, utterances]));
  const path = join(FOLDER, `${key.digest('hex').slice(0, 16)}.f32`);
  const kept = await readFloats(path);
  if (kept?.length === utterances.length * CLIP_FEATURES) {
    onProgress?.(utterances.length, utterances.length);
    return kept;
  }
  const features = await synthesizeFeatures(options);
  await mkdir(FOLDER, { recursive: true });
  const part = `${path}.${process.pid}`;
  await writeFile(part, new Uint8Array(features.buffer, features.byteOffset, features.byteLength));
  await rename(part, path);
  return features;
}

async function readFloats(path: string): Promise<Float32Array | undefined> {
  try {
    const bytes = await readFile(path);
    return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
