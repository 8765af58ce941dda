import { advise, defaultGates } from './advise.js';
import {
  type Advice,
  type Candidate,
  type Fleet,
  type Frontier,
  type HistoryPoint,
  type Machine,
  type Measurements,
  REPORT_FORMAT,
  REPORT_VERSION,
  type Report,
  type Sequence,
  type Trend,
  type TrendRow,
} from './document.js';
import { checksOf, type Gates } from './gates.js';
import { describeGap, formatBytes, formatPercent, formatPoints, formatShare } from './words.js';

/** Options of `writeReport`. */
export interface ReportOptions {
  readonly title: string;
  /** Limits for payloads; `defaultGates` by default. */
  readonly gates?: Gates | undefined;
  readonly frontier?: Frontier;
  readonly sequence?: Sequence | undefined;
  readonly fleet?: Fleet | undefined;
  /** Earlier reports, oldest first: the last one is compared with, all are the history. */
  readonly against?: readonly Report[] | undefined;
  /** How the payloads were trained. */
  readonly curves?: Report['curves'];
}

/** Makes a report from measurements: checks payloads against gates, and advises what to ship. */
export function writeReport(measurements: Measurements, options: ReportOptions): Report {
  const { title, gates, frontier, sequence, fleet, against: earlier = [], curves = [] } = options;
  const against = earlier.at(-1);
  const used = gates ?? defaultGates(measurements);
  const candidates = measurements.candidates.map((candidate) => ({
    ...candidate,
    checks: checksOf(candidate, measurements, used),
  }));
  const { machine, model, data, base, full, ways, precision, streaming, remarks } = measurements;
  const report: Report = {
    format: REPORT_FORMAT,
    version: REPORT_VERSION,
    title,
    machine,
    model,
    ...(data && { data }),
    base,
    ...(full && { full }),
    candidates,
    ways,
    advice: advise({ measurements, candidates, isDefault: gates === undefined }),
    ...(frontier && { frontier }),
    ...(sequence && { sequence }),
    ...(fleet && { fleet }),
    ...(against && { trend: trendOf(candidates, against) }),
    ...(curves.length > 0 && { curves }),
    ...(precision && { precision }),
    ...(streaming && { streaming }),
    remarks: [...remarks, ...remarksOnTrend(measurements, against)],
  };
  const history = [...earlier, report].flatMap(historyPoint);
  return history.length > 2 ? { ...report, history } : report;
}

/** @returns what a report says of the payload to ship, or of its first one */
function historyPoint({ title, candidates, advice }: Report): HistoryPoint[] {
  const shown = candidates.find(({ name }) => name === advice.ship) ?? candidates[0];
  if (shown === undefined) return [];
  const { name: candidate, bytes, share, quality, versusFull, versusBase } = shown;
  const flips = versusBase?.negativeFlips.share.value;
  return [
    {
      title,
      candidate,
      isPassed: advice.isPassed,
      bytes,
      share,
      ...(quality && { accuracy: quality.accuracy.value }),
      ...(versusFull && { gap: versusFull.gap.value }),
      ...(flips !== undefined && { negativeFlips: flips }),
    },
  ];
}

function remarksOnTrend({ model, data }: Measurements, against: Report | undefined): string[] {
  if (against === undefined) return [];
  const others = [
    ...(against.model?.base === model.base ? [] : ['on another base']),
    ...(against.data?.examples === data?.examples ? [] : ['with other examples']),
  ];
  if (others.length === 0) return [];
  return [`The earlier report was made ${others.join(' and ')}: not all changes are due to the payloads.`];
}

/** Options of `writeBenchReport`. */
export interface BenchReportOptions extends Pick<ReportOptions, 'title' | 'sequence'> {
  readonly machine: Machine;
  readonly frontier: Frontier;
  /** Largest accepted gap to the full fine-tune; 0.005 by default. */
  readonly maxGap?: number | undefined;
}

/** Names of this package's diffs in benches. */
const OURS: readonly string[] = ['hash', 'sparse'];

/** Makes a report from bench results: no payloads, but an expectation of them. */
export function writeBenchReport({
  title,
  machine,
  frontier,
  sequence,
  maxGap = 0.005,
}: BenchReportOptions): Report {
  return {
    format: REPORT_FORMAT,
    version: REPORT_VERSION,
    title,
    machine,
    base: {},
    candidates: [],
    ways: [],
    advice: adviseByFrontier(frontier, maxGap),
    frontier,
    ...(sequence && { sequence }),
    remarks: ['Each method is a mean over seeds; measure payloads of your own model in a separate report.'],
  };
}

function adviseByFrontier({ points, full }: Frontier, maxGap: number): Advice {
  const ours = points.filter(({ method }) => OURS.includes(method)).sort((a, b) => a.bytes - b.bytes);
  const best = ours.find(({ gap }) => gap <= maxGap);
  const rule = `The rule: the smallest diff that is on average at most ${formatPoints(maxGap)} behind the full fine-tune (${formatPercent(full)}).`;
  if (best === undefined)
    return { isPassed: false, headline: 'Ship the full model: no diff is close enough', reasons: [rule] };
  const { method, bytes, share, gap, seeds, deviation } = best;
  return {
    isPassed: true,
    headline: `Ship a ${method} diff of ${formatBytes(bytes)}, ${formatShare(share)} of the model: ${describeGap(gap)}, on average over ${seeds === 1 ? 'one seed' : `${seeds} seeds`}`,
    reasons: [
      rule,
      seeds === 1
        ? 'Measured with one seed.'
        : `Measured with ${seeds} seeds; their accuracy has a standard deviation of ${formatPoints(deviation)}.`,
    ],
  };
}

type Measure = TrendRow['measure'];

const MEASURES: Readonly<Record<Measure, (candidate: Candidate) => number | undefined>> = {
  bytes: ({ bytes }) => bytes,
  accuracy: ({ quality }) => quality?.accuracy.value,
  gap: ({ versusFull }) => versusFull?.gap.value,
  'negative-flips': ({ versusBase }) => versusBase?.negativeFlips.share.value,
  'apply-seconds': ({ apply }) => apply?.seconds,
};

/**
 * Compares payloads with those of the same name in an earlier report; if both have only one, names do not
 * matter.
 */
function trendOf(candidates: readonly Candidate[], earlier: Report): Trend {
  const isOne = candidates.length === 1 && earlier.candidates.length === 1;
  const rows = candidates.flatMap((now) => {
    const before = isOne ? earlier.candidates[0] : earlier.candidates.find(({ name }) => name === now.name);
    return before === undefined ? [] : rowsOf(before, now);
  });
  return { title: earlier.title, rows };
}

function rowsOf(before: Candidate, now: Candidate): TrendRow[] {
  return Object.entries(MEASURES).flatMap(([measure, read]) => {
    const [was, is] = [read(before), read(now)];
    if (was === undefined || is === undefined) return [];
    return [{ candidate: now.name, measure: measure as Measure, before: was, now: is }];
  });
}
