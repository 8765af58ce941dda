import {
  type Candidate,
  type Check,
  type Curve,
  type Fleet,
  type Frontier,
  type HistoryPoint,
  REPORT_FORMAT,
  REPORT_VERSION,
  type Report,
  type Sequence,
  type Trend,
} from '../../src/report/document.js';
import { comparisonOf, layersOf, qualityOf, shareOf, WORDS } from './sample-parts.js';
import { samplePrecision } from './sample-precision.js';
import { sampleStreaming, streamsOf } from './sample-streaming.js';

const FLOAT32_BYTES = 600_332;
const BASE = '5f1c09ab77e2d4430c6f8b1d92ae3c57';
const NEXT = 'c80d41f2a96b5e3370ffae128b6d4c90';

const baseRights = [177, 174, 171, 176, 178, 102, 108, 121, 119, 135];
const fullRights = [178, 176, 176, 178, 179, 177, 176, 177, 174, 178];

/** @returns a report with everything in it: a keyword spotter that learnt five words and an accent */
export function sampleReport(): Report {
  return {
    format: REPORT_FORMAT,
    version: REPORT_VERSION,
    title: 'Keyword spotter, five new words',
    machine: { cpu: 'AMD EPYC 7B13', cores: 2, node: '22.11.0', memoryBytes: 8_322_379_776 },
    model: {
      base: BASE,
      next: NEXT,
      tensors: 14,
      weights: 150_083,
      bytes: FLOAT32_BYTES,
      float32Bytes: FLOAT32_BYTES,
    },
    data: { source: 'test', examples: 1820, labels: WORDS },
    base: { quality: qualityOf(baseRights, { error: 0.062 }), streams: streamsOf(0.62) },
    full: {
      quality: qualityOf(fullRights, { flips: [1, 0, 2, 1, 0, 1, 0, 1, 2, 0], error: 0.013 }),
      streams: streamsOf(0.41),
    },
    candidates: MADE.map((made, i) => ({ ...candidateOf(made), streams: streamsOf(0.38 + i / 10) })),
    ways: [
      { name: 'full fine-tune, plain', bytes: FLOAT32_BYTES },
      { name: 'full fine-tune, best compressed', bytes: 553_118, note: 'brotli, quality 11' },
      { name: 'bytes that differ', bytes: 541_207, note: 'bsdiff' },
      { name: 'exact diff', bytes: 472_930 },
      { name: 'xdelta3', note: 'not installed' },
    ],
    advice: {
      ship: 'hash 0.5 %',
      isPassed: true,
      headline:
        'Ship hash 0.5 %: 2,988 bytes, 0.8 points behind the full fine-tune (95 % interval: 0.0 to 1.5 points behind).',
      reasons: [
        'Of the payloads that meet all gates, it is the most accurate on test data.',
        'Sparse 0.5 % is 36 bytes smaller and 0.2 points less accurate.',
        'Hash 0.2 % is 60 % smaller, but 2.1 points behind the full fine-tune: more than the gate allows.',
      ],
    },
    frontier: sampleFrontier(),
    sequence: sampleSequence(),
    fleet: sampleFleet(),
    trend: sampleTrend(),
    history: sampleHistory(),
    curves: sampleCurves(),
    precision: samplePrecision(),
    streaming: sampleStreaming(),
    remarks: [
      'Accuracy was measured on the weights that a process of the device kit wrote to disk.',
      'Intervals of accuracy are by Wilson, those of gaps from paired examples, both at 95 %.',
      'Seconds are the median of seven runs, each in a process of its own.',
    ],
  };
}

function sampleHistory(): HistoryPoint[] {
  return [
    { title: 'Version 2', candidate: 'hash 1 %', isPassed: true, bytes: 6_010, share: 0.01, accuracy: 0.941 },
    { title: 'Version 3', candidate: 'sparse 0.5 %', isPassed: false, bytes: 2_961, share: 0.0049 },
    {
      ...{ title: 'Keywords, version 4', candidate: 'hash 0.5 %', isPassed: true, bytes: 2_988 },
      ...{ share: 0.00498, accuracy: 0.957, gap: 0.008, negativeFlips: 0.004 },
    },
  ];
}

/** A hash diff without validation data, and an annealed sparse diff. */
function sampleCurves(): Curve[] {
  const epochs = Array.from({ length: 16 }, (_, i) => ({ loss: 4 / (1 + i), state: { buckets: 9_000 } }));
  const annealed = epochs.map(({ loss }, i) => ({
    loss: 1.5 * loss,
    accuracy: 0.95 - 0.15 / (1 + i),
    state: { density: Math.max(0.005, 1 - i / 8), temperature: Math.max(0.05, 1 - i / 8) },
  }));
  return [
    { candidate: 'hash 0.5 %', epochs },
    { candidate: 'sparse 0.5 %', base: 0.797, full: 0.965, epochs: annealed },
  ];
}

/** @returns a report with as little in it as a document may have */
export function minimalReport(): Report {
  return {
    format: REPORT_FORMAT,
    version: REPORT_VERSION,
    title: 'A model without data',
    machine: { cpu: 'unknown', cores: 1, node: '20.19.0', memoryBytes: 1_073_741_824 },
    model: { base: BASE, tensors: 2, weights: 864, bytes: 3456, float32Bytes: 3456 },
    base: {},
    candidates: [],
    ways: [],
    advice: { isPassed: false, headline: 'Ship the full model: there is no payload.', reasons: [] },
    remarks: [],
  };
}

/** What tells the sample's payloads apart; flips are negative and positive ones. */
interface Made {
  readonly name: string;
  readonly kind: 'hash' | 'sparse';
  readonly next: string;
  readonly bytes: number;
  readonly sharedBytes: number;
  /** Right clips, and negative flips, of each word. */
  readonly rights: number[];
  readonly flips: number[];
  readonly calibrationError: number;
  readonly divergences: readonly [base: number, full: number];
  readonly flipsToBase: readonly [number, number];
  readonly flipsToFull: readonly [number, number];
  readonly apply?: Candidate['apply'];
}

function candidateOf(made: Made): Candidate {
  const { name, kind, next, bytes, sharedBytes, flipsToBase, flipsToFull, apply } = made;
  const gap = (flipsToFull[0] - flipsToFull[1]) / 1820;
  return {
    name,
    kinds: [kind, 'dense'],
    next,
    bytes,
    share: bytes / FLOAT32_BYTES,
    quality: qualityOf(made.rights, { flips: made.flips, error: made.calibrationError }),
    ...(apply === undefined ? {} : { apply }),
    layers: layersOf(kind, 0.011),
    sharedBytes,
    versusBase: comparisonOf(...flipsToBase, made.divergences[0]),
    versusFull: comparisonOf(...flipsToFull, made.divergences[1]),
    checks: checksOf(bytes, gap, flipsToBase[0] / 1820),
  };
}

const MADE: readonly Made[] = [
  {
    name: 'hash 0.5 %',
    kind: 'hash',
    next: '1d3fa0e477b2906cc58e1f0b2a9d6473',
    bytes: 2988,
    sharedBytes: 2811,
    rights: [177, 175, 174, 177, 178, 175, 174, 176, 172, 177],
    flips: [2, 1, 1, 1, 0, 2, 1, 2, 3, 1],
    calibrationError: 0.018,
    divergences: [0.4127, 0.0213],
    flipsToBase: [14, 308],
    flipsToFull: [31, 17],
    apply: { seconds: 0.0314, runs: 7, extraMemoryBytes: 12_845_056 },
  },
  {
    name: 'sparse 0.5 %',
    kind: 'sparse',
    next: '8e20b7c6019f4ad3b5ec72fd11a04e95',
    bytes: 2952,
    sharedBytes: 58,
    rights: [177, 175, 174, 177, 178, 174, 173, 176, 172, 176],
    flips: [2, 2, 1, 1, 1, 2, 1, 2, 3, 2],
    calibrationError: 0.024,
    divergences: [0.4051, 0.0297],
    flipsToBase: [17, 308],
    flipsToFull: [34, 16],
    apply: { seconds: 0.0287, runs: 7, extraMemoryBytes: 11_534_336 },
  },
  {
    name: 'hash 0.2 %',
    kind: 'hash',
    next: '47a9d10c66be83f2095d7ce1f4b8a312',
    bytes: 1198,
    sharedBytes: 1021,
    rights: [176, 173, 172, 175, 177, 170, 170, 172, 171, 174],
    flips: [4, 3, 2, 3, 2, 4, 2, 3, 4, 3],
    calibrationError: 0.031,
    divergences: [0.3874, 0.0648],
    flipsToBase: [30, 299],
    flipsToFull: [58, 19],
  },
];

function checksOf(bytes: number, gap: number, flips: number): Check[] {
  const points = (100 * gap).toFixed(1);
  return [
    {
      id: 'max-bytes',
      unit: 'bytes',
      limit: 3002,
      value: bytes,
      isMet: bytes <= 3002,
      message: `${bytes.toLocaleString('en-GB')} bytes; at most 3,002`,
    },
    {
      id: 'max-gap',
      unit: 'points',
      limit: 0.01,
      value: gap,
      isMet: gap <= 0.01,
      message: `${points} points behind the full fine-tune; at most 1.0`,
    },
    {
      id: 'max-negative-flips',
      unit: 'share',
      limit: 0.02,
      value: flips,
      isMet: flips <= 0.02,
      message: `${(100 * flips).toFixed(2)} % of the examples became wrong; at most 2 %`,
    },
    gap > 0.02
      ? {
          id: 'min-accuracy of slice speaker: nicolas',
          unit: 'share',
          limit: 0.9,
          isMet: false,
          message: 'could not be measured: no examples of this slice',
        }
      : {
          id: 'min-accuracy of slice speaker: jackson',
          unit: 'share',
          limit: 0.9,
          value: 0.9417,
          isMet: true,
          message: '94.2 % of this slice; at least 90 %',
        },
  ];
}

function sampleFrontier(): Frontier {
  const method = (name: string, gaps: readonly [share: number, gap: number, deviation: number][]) =>
    gaps.map(([share, gap, deviation]) => ({
      method: name,
      seeds: 3,
      bytes: Math.round(share * FLOAT32_BYTES),
      share,
      accuracy: 0.9652 - gap,
      deviation,
      gap,
    }));
  return {
    task: 'keywords',
    base: 0.7951,
    full: 0.9652,
    points: [
      ...method('hash diff', [
        [0.002, 0.0112, 0.0051],
        [0.003, 0.0043, 0.0022],
        [0.005, 0.0021, 0.0019],
        [0.01, 0.0038, 0.0014],
      ]),
      ...method('sparse diff', [
        [0.002, 0.0309, 0.0088],
        [0.003, 0.0141, 0.0072],
        [0.005, 0.0118, 0.0103],
        [0.01, 0.0052, 0.0031],
      ]),
      ...method('low-rank update', [
        [0.005, 0.0081, 0.0019],
        [0.02, -0.0049, 0.0021],
      ]),
      ...method('pruned model', [
        [0.005, 0.3782, 0.1841],
        [0.02, -0.0018, 0.0022],
      ]),
      ...method('one-bit update of some weights', [
        [0.005, 0.0192, 0.0021],
        [0.02, 0.0117, 0.0004],
      ]),
      ...method('model in 4 bits', [[0.12, -0.0017, 0.0003]]),
      ...method('biases and norms alone', [[0.00062, 0.0631, 0.0158]]),
    ],
  };
}

function sampleSequence(): Sequence {
  const full = [0.963, 0.969, 0.979, 0.982, 0.976];
  const hash = [0.958, 0.961, 0.969, 0.972, 0.9685];
  const sparse = [0.951, 0.955, 0.958, 0.961, 0.9542];
  const chain = (method: string, accuracies: readonly number[], bytes?: number) =>
    accuracies.map((accuracy, index) => ({
      method,
      update: index + 1,
      seeds: 1,
      accuracy,
      gap: full[index]! - accuracy,
      ...(bytes === undefined ? {} : { bytes: bytes - 7 * index }),
    }));
  return {
    task: 'keywords',
    points: [
      ...chain('full fine-tunes', full),
      ...chain('hash diffs', hash, 2996),
      ...chain('sparse diffs', sparse, 2989),
    ],
  };
}

function sampleFleet(): Fleet {
  return {
    next: '1d3fa0e477b2906cc58e1f0b2a9d6473',
    versions: [
      {
        version: '1.4',
        devices: 12_400,
        direct: 2988,
        full: FLOAT32_BYTES,
        best: 'direct',
        bytes: 37_051_200,
      },
      {
        version: '1.3',
        devices: 5180,
        chain: 5931,
        chainSteps: 2,
        full: FLOAT32_BYTES,
        best: 'chain',
        bytes: 30_722_580,
      },
      { version: '1.1', devices: 340, full: FLOAT32_BYTES, best: 'full', bytes: 204_112_880 },
      { version: '1.5', devices: 77, full: FLOAT32_BYTES, best: 'none', bytes: 0 },
    ],
    devices: 17_997,
    bytes: 271_886_660,
    fullBytes: 10_757_949_440,
    precompute: [
      { version: '1.1', devices: 340, expectedBytes: 2988, savedBytes: 203_096_960 },
      { version: '1.3', devices: 5180, expectedBytes: 2988, savedBytes: 15_244_740 },
    ],
  };
}

function sampleTrend(): Trend {
  const row = (
    measure: 'bytes' | 'accuracy' | 'gap' | 'negative-flips' | 'apply-seconds',
    values: number[],
  ) => ({
    candidate: 'hash 0.5 %',
    measure,
    before: values[0]!,
    now: values[1]!,
  });
  return {
    title: 'Keyword spotter, four new words',
    rows: [
      row('bytes', [3001, 2988]),
      row('accuracy', [shareOf(1747, 1820).value, shareOf(1755, 1820).value]),
      row('gap', [0.0091, 14 / 1820]),
      row('negative-flips', [11 / 1820, 14 / 1820]),
      row('apply-seconds', [0.0314, 0.0314]),
    ],
  };
}
