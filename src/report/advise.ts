import type { Advice, Alternative, Candidate, Comparison, DataFacts, Measurements } from './document.js';
import type { Gates } from './gates.js';
import {
  describeGap,
  describeInterval,
  formatBytes,
  formatLimited,
  formatNumber,
  formatPercent,
  formatPoints,
  formatShare,
  formatTimes,
} from './words.js';

/** Accuracy points that a payload may be behind the full fine-tune by default. */
const DEFAULT_GAP = 0.005;

/**
 * The gates used if none are given: at most half a point behind the full fine-tune or, if none was measured,
 * no worse than the base.
 */
export function defaultGates({ base, full }: Measurements): Gates {
  if (full?.quality) return { maxGap: DEFAULT_GAP };
  return base.quality ? { minAccuracy: base.quality.accuracy.value } : {};
}

/** The input of `advise`. */
export interface Facts {
  readonly measurements: Measurements;
  readonly candidates: readonly Candidate[];
  /** Whether the gates are the default ones. */
  readonly isDefault: boolean;
}

/**
 * Decides what to ship: the smallest payload that meets all gates, unless another way of shipping the full
 * model is smaller. An exact diff is as small as the alternative of that name, and is preferred.
 */
export function advise({ measurements, candidates, isDefault }: Facts): Advice {
  const order = [...candidates].sort(
    (a, b) => a.bytes - b.bytes || (b.quality?.accuracy.value ?? 0) - (a.quality?.accuracy.value ?? 0),
  );
  const usable = order.filter(
    ({ checks, problem }) => problem === undefined && checks.every(({ isMet }) => isMet),
  );
  const whole = smallestWhole(measurements.ways);
  const best = usable.find(({ bytes }) => whole === undefined || bytes <= whole.bytes);
  const rule = ruleOf(measurements, isDefault);
  if (best === undefined) {
    const why = usable.length > 0 ? 'no payload is smaller' : whyNone(candidates);
    const size = whole ? ` (${whole.name}: ${formatBytes(whole.bytes)})` : '';
    return {
      isPassed: usable.length > 0,
      headline: `Ship the full model${size}: ${why}`,
      reasons: [rule, ...refusals(order), ...choiceBy(measurements), ...warningsOf(measurements)],
    };
  }
  const smaller = order.slice(0, order.indexOf(best));
  return {
    ship: best.name,
    isPassed: true,
    headline: headlineOf(best),
    reasons: [
      rule,
      ...refusals(smaller),
      ...speakFor(best, measurements, whole),
      ...choiceBy(measurements),
      ...warningsOf(measurements),
    ],
  };
}

function whyNone(candidates: readonly Candidate[]): string {
  if (candidates.length === 0) return 'there is no payload';
  return candidates.length === 1 ? 'the payload does not meet the gates' : 'no payload meets all gates';
}

function smallestWhole(ways: readonly Alternative[]): { name: string; bytes: number } | undefined {
  const sizes = ways.flatMap(({ name, bytes }) => (bytes === undefined ? [] : [{ name, bytes }]));
  return sizes.reduce<(typeof sizes)[number] | undefined>(
    (least, way) => (least === undefined || way.bytes < least.bytes ? way : least),
    undefined,
  );
}

function headlineOf({ name, bytes, share, versusFull, quality }: Candidate): string {
  const cost = `Ship ${name}: ${formatBytes(bytes)}, ${formatShare(share)} of the model`;
  if (versusFull) return `${cost}, ${standing(versusFull)}`;
  return quality ? `${cost}, accuracy ${formatPercent(quality.accuracy.value)}` : cost;
}

/** @returns how a payload compares with a model, with the interval of the difference */
function standing({ gap }: Comparison, reference?: string): string {
  return `${describeGap(gap.value, reference)} (95 % interval: ${describeInterval(gap)})`;
}

function ruleOf({ base, full }: Measurements, isDefault: boolean): string {
  const rule =
    'The rule: the smallest payload that meets all gates (limits on size, accuracy and cost), if it is smaller than the full model';
  if (!isDefault) return `${rule}.`;
  if (full?.quality)
    return `${rule}; without your own gates, one that is measured to be at most ${formatPoints(DEFAULT_GAP)} behind the full fine-tune.`;
  return base.quality
    ? `${rule}; without your own gates and a full fine-tune to compare with, one whose measured accuracy is at least that of the base.`
    : 'The rule: the smallest payload, if it is smaller than the full model; accuracy was not measured.';
}

function refusals(candidates: readonly Candidate[]): string[] {
  return candidates.flatMap(({ name, bytes, checks, problem }) => {
    const failing = checks.filter(({ isMet }) => !isMet).map(({ message }) => message);
    const why = problem === undefined ? failing : [`it ${problem}`];
    return why.length === 0 ? [] : [`Not ${name}, ${formatBytes(bytes)}: ${why.join('; ')}.`];
  });
}

/** Warnings about the full fine-tune itself, independent of the gates. */
function warningsOf({ base, full }: Measurements): string[] {
  if (full?.problem !== undefined) return [`The full fine-tune ${full.problem}: do not ship it as it is.`];
  const [before, after] = [base.quality?.accuracy.value, full?.quality?.accuracy.value];
  if (before === undefined || after === undefined || after >= before) return [];
  return [
    `The full fine-tune is less accurate than the base, ${formatPercent(after)} against ${formatPercent(before)}: check the training first.`,
  ];
}

function speakFor(
  { versusBase, versusFull, bytes }: Candidate,
  { data, model }: Measurements,
  whole: { name: string; bytes: number } | undefined,
): string[] {
  const reasons: string[] = [];
  if (bytes > 0)
    reasons.push(`It is ${formatTimes(model.float32Bytes / bytes)} times smaller than the float32 model.`);
  if (whole)
    reasons.push(
      `The smallest alternative, ${whole.name}, takes ${formatBytes(whole.bytes)}: ${formatNumber(whole.bytes / bytes, 1)} times as many.`,
    );
  if (versusFull && data) reasons.push(resolutionOf(versusFull, data));
  if (versusBase) {
    const { gap, negativeFlips, positiveFlips } = versusBase;
    const [lost, gained] = [negativeFlips, positiveFlips].map(({ count }) => formatNumber(count));
    reasons.push(
      `Of the examples, ${gained} that the base gets wrong become right (positive flips), and ${lost} that it gets right become wrong (negative flips, ${formatShare(negativeFlips.share.value)}).`,
    );
    if (gap.value > 0) reasons.push(`It is ${standing(versusBase, 'the base')}.`);
  }
  return reasons;
}

/** @returns what the examples can tell of the difference from the full fine-tune */
function resolutionOf({ gap }: Comparison, { examples, source }: DataFacts): string {
  const { low, high } = gap;
  const step = formatLimited(1 / examples, 'points');
  const isOpen = low <= 0 && high >= 0;
  const verdict = isOpen
    ? 'The interval contains 0: these examples do not tell the two models apart.'
    : `The interval is on one side of 0: the payload is ${low > 0 ? 'less accurate' : 'more accurate'}.`;
  return `Compared with the full fine-tune on ${formatNumber(examples)} ${source} examples, where one example is ${step}: the difference is known to ±${formatPoints((high - low) / 2)} (95 %). ${verdict}`;
}

/** @returns which data the advice was made by, and what that does to its figures */
function choiceBy({ data, candidates }: Measurements): string[] {
  if (data === undefined || candidates.length === 0) return [];
  const on = `${formatNumber(data.examples)} ${data.source} examples`;
  if (data.source === 'validation')
    return [
      `Decided on ${on}, as the recipe returns no test data. Training may have used them to choose, too: expect slightly lower accuracy on others.`,
    ];
  if (candidates.length === 1)
    return [`Decided on ${on}. There was one payload, so this report chose none by them.`];
  return [
    `Chosen from ${formatNumber(candidates.length)} payloads on the ${on} that the figures are of, which makes the figures of the chosen one slightly too good. To avoid this, choose on validation data and report on that payload alone.`,
  ];
}
