import type { VNode } from 'preact';
import type { Candidate, Report } from '../../document.js';
import { describeInterval } from '../../words.js';
import {
  formatBytes,
  formatInterval,
  formatLimited,
  formatNumber,
  formatPercent,
  formatPoints,
  formatSeconds,
  formatShare,
  formatTimes,
  tieShares,
} from '../format.js';
import type { Section } from '../parts/section.js';
import { columnsOf, numberCell, seriesCell, Table, textCell, verdictCell } from '../parts/table.js';
import type { View } from '../view.js';

/** A key figure. */
interface Figure {
  readonly name: string;
  readonly value: string;
  readonly note?: string;
}

/** The advice with its reasons, and the key figures. */
export function Verdict({ view }: { view: View }): VNode {
  const { advice } = view.report;
  const figures = keyFigures(view);
  return (
    <section class="verdict" aria-labelledby="verdict-title">
      <Badge report={view.report} />
      <h2 id="verdict-title">
        <bdi>{tieShares(advice.headline)}</bdi>
      </h2>
      {figures.length > 0 && (
        <dl class="figures">
          {figures.map(({ name, value, note }) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>
                {value}
                {note !== undefined && <small>{note}</small>}
              </dd>
            </div>
          ))}
        </dl>
      )}
      {advice.reasons.length > 0 && (
        <ul class="reasons">
          {advice.reasons.map((reason, index) => (
            <li key={index}>
              <bdi>{tieShares(reason)}</bdi>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Badge({ report }: { report: Report }): VNode {
  const isGated = report.candidates.some(({ checks }) => checks.length > 0);
  if (report.advice.isPassed) {
    return <p class="badge good">{isGated ? 'All gates met' : 'Passed: no gates were set'}</p>;
  }
  return (
    <p class="badge bad">{report.candidates.length === 0 ? 'No payload' : 'No payload meets all gates'}</p>
  );
}

function keyFigures({ report, candidates }: View): Figure[] {
  const shipped = candidates.find(({ candidate }) => candidate.name === report.advice.ship)?.candidate;
  return [...(shipped === undefined ? fullFigures(report) : payloadFigures(shipped)), ...baseFigures(report)];
}

function payloadFigures({ bytes, share, quality, versusBase, versusFull, apply }: Candidate): Figure[] {
  const times = share > 0 ? `, ${formatTimes(share)} times smaller` : '';
  return [
    { name: 'Payload', value: formatBytes(bytes), note: `${formatShare(share)}${times}` },
    ...optional(quality, ({ accuracy }) => ({
      name: 'Accuracy',
      value: formatPercent(accuracy.value),
      note: `95 %: ${formatInterval(accuracy)}`,
    })),
    ...optional(versusFull, ({ gap }) => ({
      name: 'Against full fine-tune',
      value: againstWords(gap.value),
      note: `95 %: ${describeInterval(gap)}`,
    })),
    ...optional(versusBase, ({ negativeFlips: { count, share: part } }) => ({
      name: 'Negative flips',
      value: formatNumber(count),
      note: `right with the base, now wrong: ${formatShare(part.value)}`,
    })),
    ...optional(apply, ({ seconds, runs }) => ({
      name: 'Time to apply',
      value: formatSeconds(seconds),
      note: runs === 1 ? 'one run' : `median of ${formatNumber(runs)} runs`,
    })),
  ];
}

/** @returns a gap in a few words; none where its digits are all 0 */
function againstWords(gap: number): string {
  const size = formatPoints(Math.abs(gap));
  if (!/[1-9]/.test(size)) return 'no difference';
  return `${size} ${gap > 0 ? 'behind' : 'better'}`;
}

function fullFigures({ model, full }: Report): Figure[] {
  return [
    ...optional(model, ({ float32Bytes }) => ({
      name: 'Full model',
      value: formatBytes(float32Bytes),
      note: 'as float32',
    })),
    ...optional(full?.quality, ({ accuracy }) => ({
      name: 'Accuracy',
      value: formatPercent(accuracy.value),
      note: `95 %: ${formatInterval(accuracy)}`,
    })),
  ];
}

function baseFigures({ base }: Report): Figure[] {
  return optional(base.quality, ({ accuracy }) => ({
    name: 'Accuracy of the base',
    value: formatPercent(accuracy.value),
    note: `95 %: ${formatInterval(accuracy)}`,
  }));
}

function optional<T>(value: T | undefined, figure: (value: T) => Figure): Figure[] {
  return value === undefined ? [] : [figure(value)];
}

/** The gates of all payloads; absent without any. */
export function gatesSection({ candidates }: View): Section | undefined {
  const rows = candidates.flatMap(({ candidate, series }) =>
    candidate.checks.map(({ id, unit, limit, value, isMet, message }) => {
      const format = (each: number): string => formatLimited(each, unit);
      const words = { good: 'met', bad: value === undefined ? 'not measured' : 'not met' };
      return [
        seriesCell(series),
        textCell(id),
        numberCell(limit, format),
        numberCell(value, format),
        verdictCell(isMet, words),
        textCell(message),
      ];
    }),
  );
  if (rows.length === 0) return undefined;
  const columns = columnsOf('Payload', 'Gate', '#Limit', '#Found', 'Result', 'Details');
  return {
    id: 'gates',
    title: 'Gates',
    content: (
      <>
        <p class="note">A gate is a limit that a payload must meet to be shipped.</p>
        <Table id="gates-table" caption="Limits for payloads" columns={columns} rows={rows} />
      </>
    ),
  };
}
