import { compareModels, type Predictions, qualityOf, type Truth } from '../../src/report/assess.js';
import type { Measurements } from '../../src/report/document.js';

/** Examples of a small test set. */
const EXAMPLES = 200;

export const LABELS = ['yes', 'no'];

/** Half of the examples of either class, spoken by two people in turn. */
export const truth: Truth = {
  labels: LABELS,
  classes: Int32Array.from({ length: EXAMPLES }, (_, i) => i % 2),
  slices: { speaker: Array.from({ length: EXAMPLES }, (_, i) => (i % 4 < 2 ? 'ada' : 'theo')) },
};

/** @returns a model that gets some of the examples wrong, and is sure of it */
export function wrongOn(isWrong: (index: number) => boolean): Predictions {
  const rows = Array.from(truth.classes, (label, i) => {
    const said = isWrong(i) ? 1 - label : label;
    return said === 0 ? [0.9, 0.1] : [0.1, 0.9];
  });
  return { classes: 2, probabilities: Float32Array.from(rows.flat()) };
}

const base = wrongOn((i) => i < 50);
const full = wrongOn((i) => i < 10);

/** @returns a payload of some size, whose model gets some of the examples wrong */
export function candidateOf(
  name: string,
  bytes: number,
  isWrong: (index: number) => boolean,
): Measurements['candidates'][number] {
  const candidate = wrongOn(isWrong);
  return {
    name,
    kinds: ['hash'],
    next: name.padEnd(32, '0'),
    bytes,
    share: bytes / 600_000,
    apply: { seconds: 0.012, runs: 5, extraMemoryBytes: 3_000_000 },
    layers: [],
    sharedBytes: bytes,
    quality: qualityOf(truth, candidate, base),
    versusBase: compareModels(truth, { reference: base, candidate }),
    versusFull: compareModels(truth, { reference: full, candidate }),
  };
}

/** Two payloads: the smaller one two points behind, the larger one as good as the full fine-tune. */
export const measurements: Measurements = {
  machine: { cpu: 'a processor', cores: 2, node: 'v20.20.2', memoryBytes: 2 ** 33 },
  model: {
    base: 'b'.repeat(32),
    next: 'f'.repeat(32),
    tensors: 8,
    weights: 150_000,
    bytes: 600_000,
    float32Bytes: 600_000,
  },
  data: { source: 'test', examples: EXAMPLES, labels: LABELS },
  base: { quality: qualityOf(truth, base) },
  full: { quality: qualityOf(truth, full, base) },
  candidates: [
    candidateOf('large', 6_000, (i) => i < 9 || i === 100),
    candidateOf('small', 1_500, (i) => i < 12 || i === 61 || i === 62),
  ],
  ways: [
    { name: 'full model', bytes: 600_000 },
    { name: 'full model, compressed', bytes: 540_000 },
    { name: 'bsdiff', note: 'not installed' },
  ],
  remarks: ['Times are of one machine.'],
};
