import * as v from 'valibot';
import { GRID_NAMES } from '../model/grids.js';
import { REPORT_FORMAT, REPORT_VERSION, type Report } from './document.js';
import { PRECISION_WAYS } from './precision.js';
import { parseDocument } from './read-document.js';

const text = v.string();
const number = v.number();
const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const share = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
const difference = v.pipe(v.number(), v.minValue(-1), v.maxValue(1));
const positive = v.pipe(v.number(), v.minValue(0));

const shareEstimate = v.strictObject({ value: share, low: share, high: share });
const gapEstimate = v.strictObject({ value: difference, low: difference, high: difference });

const machine = v.strictObject({ cpu: text, cores: count, node: text, memoryBytes: count });

const model = v.strictObject({
  base: text,
  next: v.exactOptional(text),
  tensors: count,
  weights: count,
  bytes: count,
  float32Bytes: count,
});

const data = v.strictObject({
  source: v.picklist(['test', 'validation']),
  examples: count,
  labels: v.array(text),
  runtime: v.exactOptional(text),
});

const part = v.strictObject({
  name: text,
  examples: count,
  accuracy: v.exactOptional(shareEstimate),
  negativeFlips: v.exactOptional(count),
});

const bin = v.strictObject({ low: share, high: share, examples: count, confidence: share, accuracy: share });

const quality = v.strictObject({
  accuracy: shareEstimate,
  calibration: v.strictObject({ error: share, bins: v.array(bin) }),
  classes: v.array(part),
  slices: v.array(part),
});

const streaming = v.strictObject({
  frameSeconds: positive,
  branches: v.array(v.strictObject({ name: text, flops: positive })),
  threads: v.array(positive),
});

const streamResult = v.strictObject({
  streams: count,
  frames: count,
  shares: v.array(share),
  computation: share,
  latency: v.strictObject({
    p50: positive,
    p95: positive,
    p99: positive,
    distribution: v.array(positive),
  }),
  longestBacklog: positive,
  metrics: v.array(v.strictObject({ name: text, value: number })),
});

const measured = {
  quality: v.exactOptional(quality),
  problem: v.exactOptional(text),
  streams: v.exactOptional(v.array(streamResult)),
};

const flipExample = v.strictObject({
  index: count,
  name: v.exactOptional(text),
  label: text,
  before: text,
  after: text,
  confidenceBefore: share,
  confidenceAfter: share,
});

const flips = v.strictObject({ count, share: shareEstimate, examples: v.array(flipExample) });

const comparison = v.strictObject({
  gap: gapEstimate,
  agreement: shareEstimate,
  negativeFlips: flips,
  positiveFlips: flips,
  divergence: v.strictObject({ mean: positive, percentile99: positive }),
});

const layer = v.strictObject({
  tensor: text,
  dtype: text,
  shape: v.array(count),
  weights: count,
  changed: count,
  bytes: count,
  change: positive,
  magnitude: positive,
});

const check = v.strictObject({
  id: text,
  unit: v.picklist(['bytes', 'share', 'points', 'seconds']),
  limit: number,
  value: v.exactOptional(number),
  isMet: v.boolean(),
  message: text,
});

const candidate = v.strictObject({
  name: text,
  kinds: v.array(text),
  next: text,
  bytes: count,
  share: positive,
  ...measured,
  apply: v.exactOptional(v.strictObject({ seconds: positive, runs: count, extraMemoryBytes: number })),
  layers: v.array(layer),
  sharedBytes: count,
  versusBase: v.exactOptional(comparison),
  versusFull: v.exactOptional(comparison),
  checks: v.array(check),
});

const way = v.strictObject({ name: text, bytes: v.exactOptional(count), note: v.exactOptional(text) });

const frontier = v.strictObject({
  task: text,
  base: share,
  full: share,
  points: v.array(
    v.strictObject({
      method: text,
      seeds: count,
      bytes: positive,
      share: positive,
      accuracy: share,
      deviation: positive,
      gap: difference,
    }),
  ),
});

const sequence = v.strictObject({
  task: text,
  points: v.array(
    v.strictObject({
      method: text,
      update: count,
      seeds: count,
      bytes: v.exactOptional(positive),
      accuracy: share,
      gap: difference,
    }),
  ),
});

const fleet = v.strictObject({
  next: text,
  versions: v.array(
    v.strictObject({
      version: text,
      devices: count,
      direct: v.exactOptional(count),
      chain: v.exactOptional(count),
      chainSteps: v.exactOptional(count),
      full: count,
      best: v.picklist(['none', 'direct', 'chain', 'full']),
      bytes: count,
    }),
  ),
  devices: count,
  bytes: count,
  fullBytes: count,
  metadataBytes: v.exactOptional(count),
  precompute: v.array(
    v.strictObject({ version: text, devices: count, expectedBytes: count, savedBytes: count }),
  ),
});

const trend = v.strictObject({
  title: text,
  rows: v.array(
    v.strictObject({
      candidate: text,
      measure: v.picklist(['bytes', 'accuracy', 'gap', 'negative-flips', 'apply-seconds']),
      before: number,
      now: number,
    }),
  ),
});

const history = v.array(
  v.strictObject({
    title: text,
    candidate: text,
    isPassed: v.boolean(),
    bytes: count,
    share: positive,
    accuracy: v.exactOptional(share),
    gap: v.exactOptional(difference),
    negativeFlips: v.exactOptional(share),
  }),
);

const curves = v.array(
  v.strictObject({
    candidate: text,
    base: v.exactOptional(share),
    full: v.exactOptional(share),
    epochs: v.array(
      v.strictObject({ loss: number, accuracy: v.exactOptional(share), state: v.record(text, number) }),
    ),
  }),
);

const standing = v.strictObject({
  loss: number,
  accuracy: shareEstimate,
  gap: gapEstimate,
  probabilityGap: difference,
});

const grid = v.picklist(GRID_NAMES);

const precision = v.strictObject({
  maxGap: share,
  chosenBy: v.strictObject({ source: v.picklist(['test', 'validation']), examples: count }),
  runs: count,
  tensors: v.array(
    v.strictObject({
      tensor: text,
      dtype: text,
      shape: v.array(count),
      bytes: count,
      grid: v.exactOptional(grid),
      gridBytes: count,
      int4Grid: v.exactOptional(grid),
      options: v.array(v.strictObject({ grid, bytes: count, lossChange: v.exactOptional(number) })),
    }),
  ),
  totals: v.array(
    v.strictObject({
      way: v.picklist(PRECISION_WAYS),
      bytes: count,
      measured: v.exactOptional(standing),
      isMet: v.boolean(),
      isStorable: v.boolean(),
      test: v.exactOptional(standing),
    }),
  ),
});

/** The schema of report documents: the source of `docs/report.schema.json`. */
export const REPORT_SCHEMA = v.strictObject({
  format: v.literal(REPORT_FORMAT),
  version: v.literal(REPORT_VERSION),
  title: text,
  machine,
  model: v.exactOptional(model),
  data: v.exactOptional(data),
  base: v.strictObject(measured),
  full: v.exactOptional(v.strictObject(measured)),
  candidates: v.array(candidate),
  ways: v.array(way),
  advice: v.strictObject({
    ship: v.exactOptional(text),
    isPassed: v.boolean(),
    headline: text,
    reasons: v.array(text),
  }),
  frontier: v.exactOptional(frontier),
  sequence: v.exactOptional(sequence),
  fleet: v.exactOptional(fleet),
  trend: v.exactOptional(trend),
  history: v.exactOptional(history),
  curves: v.exactOptional(curves),
  precision: v.exactOptional(precision),
  streaming: v.exactOptional(streaming),
  remarks: v.array(text),
});

/**
 * Parses a report document.
 *
 * @param name names the file in errors
 * @throws NeuralDiffError `bad-document`
 */
export function parseReport(json: string, name: string): Report {
  return parseDocument(REPORT_SCHEMA, json, { name, expected: 'report' });
}
