import { isShare, type Metric } from '../src/recipe/search/prepare.js';
import { type Goal, isWithin, type PlannedTrial } from '../src/recipe/tune/goal.js';
import type { Configuration } from '../src/recipe/tune/space.js';
import type { PayloadTrial, TuneResult } from '../src/recipe/tune/tune-payload.js';
import { summarise } from './exit-codes.js';
import { alignColumns, formatBytes, formatShare } from './io.js';

/** Trials that a table shows. */
const SHOWN = 12;

/** @returns what is looked for, in words */
export function describeGoal({ minimise, limits }: Goal): string {
  const { bytes, gap, applyMilliseconds, memoryBytes } = limits;
  const within = [
    bytes === undefined ? [] : `${bytes} bytes`,
    gap === undefined ? [] : `a gap of ${gap}`,
    applyMilliseconds === undefined ? [] : `${applyMilliseconds} ms to apply`,
    memoryBytes === undefined ? [] : `${formatBytes(memoryBytes)} of memory to apply`,
  ].flat();
  return `the ${minimise === 'gap' ? 'smallest gap, or loss where gaps are level,' : 'fewest bytes'} within ${within.join(', ')}`;
}

/** @returns a configuration in words: what differs from the defaults */
export function describeConfiguration(of: Configuration): string {
  const isUsual = (name: string): boolean =>
    of[name] === 'default' || ((name === 'epochs' || name === 'size') && of[name] === 1);
  const { kind, ...others } = of;
  const named = Object.keys(others).filter((name) => !isUsual(name));
  const words = named.map((name) =>
    name === 'epochs' || name === 'size' ? `${name} ×${of[name]}` : `${name} ${of[name]}`,
  );
  return [kind, ...(words.length > 0 ? words : ['as train'])].join(', ');
}

/** @returns a trial in words */
export function describePlanned({ configuration, fidelity }: PlannedTrial): string {
  const short = fidelity < 1 ? ` (${100 * fidelity} % of the epochs)` : '';
  return `${describeConfiguration(configuration)}${short}`;
}

/** @returns how a trial ended, in a line */
export function describeTrial({ measured, diff, error }: PayloadTrial, metric: Metric | undefined): string {
  if (measured === undefined || diff === undefined || metric === undefined)
    return `failed: ${error?.message}`;
  const value = diff.metrics.diff[metric.name]?.toFixed(4);
  return `${formatBytes(measured.bytes ?? 0)}, ${metric.name} ${value}, ${formatGap(measured.gap ?? 0, metric)} behind`;
}

/** @returns a gap, in points where the metric is a share */
export function formatGap(gap: number, { name }: Metric): string {
  return isShare(name) ? `${(100 * gap).toFixed(2)} points` : gap.toFixed(4);
}

/** @returns the result for people: the best whole trials, what was found, how good the forecasts were */
export function formatTuned(result: TuneResult): string[] {
  const { trials, metric, best, correlations } = result;
  const whole = trials.filter(({ fidelity, diff }) => fidelity === 1 && diff !== undefined);
  const shown = [...whole].sort((a, b) => (a === best ? -1 : b === best ? 1 : gapOf(a) - gapOf(b)));
  const rows = shown.slice(0, SHOWN).map((trial) => rowOf(trial, result));
  const head = ['bytes', 'share', metric.name, 'behind', 'apply ms', 'memory', 'verdict', 'configuration'];
  const failed = trials.filter(({ diff }) => diff === undefined).length;
  const short = trials.length - whole.length - failed;
  return [
    // The last column is text: aligned to the left.
    ...alignColumns([head, ...rows].map((row) => row.slice(0, -1))).map(
      (line, i) => `${line}  ${i === 0 ? 'configuration' : rows[i - 1]?.at(-1)}`,
    ),
    ...describeTies(result),
    `${whole.length} whole trials, ${short} short, ${failed} failed; on ${examplesOf(trials)}validation examples`,
    ...describeCorrelations(correlations),
  ];
}

/** Says why the best one is not that with the smallest gap. */
function describeTies({ best, metric, error }: TuneResult): string[] {
  if (best === undefined || error === 0) return [];
  const within = `gaps within ${formatGap(error, metric)} of the smallest (one standard error) count as equal`;
  return [`${within}: of those, the smallest loss is the best`];
}

function gapOf({ measured }: PayloadTrial): number {
  return measured?.gap ?? Number.MAX_VALUE;
}

function rowOf(trial: PayloadTrial, { metric, goal, best }: TuneResult): string[] {
  const { measured = {}, diff, configuration } = trial;
  const verdict = trial === best ? 'best' : isWithin(trial, goal) ? 'within' : 'beyond';
  return [
    String(measured.bytes),
    formatShare(diff?.share ?? 0),
    diff?.metrics.diff[metric.name]?.toFixed(4) ?? '',
    (measured.gap ?? 0).toFixed(4),
    (measured.applyMilliseconds ?? 0).toFixed(1),
    formatBytes(measured.memoryBytes ?? 0),
    verdict,
    describeConfiguration(configuration),
  ];
}

function examplesOf(trials: readonly PayloadTrial[]): string {
  const examples = trials.find(({ diff }) => diff)?.diff?.validationExamples ?? 0;
  return examples > 0 ? `${examples} ` : '';
}

function describeCorrelations(correlations: TuneResult['correlations']): string[] {
  const known = Object.entries(correlations).filter(([, value]) => value !== undefined);
  if (known.length === 0) return [];
  const words = known.map(([name, value]) => `${name} ${value?.toFixed(2)}`);
  return [`rank correlation of forecasts with what was then measured: ${words.join(', ')}`];
}

/** @returns the trials for programs */
export function listTrials({ trials, goal, best }: TuneResult) {
  return trials.map((trial) => {
    const { configuration, fidelity, measured, expected, diff, error } = trial;
    const about = { configuration, fidelity, expected };
    if (diff === undefined) return { ...about, error: { ...summarise(error) } };
    const verdict = trial === best ? 'best' : isWithin(trial, goal) ? 'within' : 'beyond';
    return { ...about, measured, metrics: diff.metrics.diff, share: diff.share, verdict };
  });
}
