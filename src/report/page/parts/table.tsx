import type { VNode } from 'preact';
import type { Estimate } from '../../document.js';
import { DASH, formatInterval, formatPercent, formatPointsNumber } from '../format.js';
import type { Series } from '../view.js';
import { Name, Swatch } from './figure.js';

/** A table: the first cell of each row heads it. */
interface TableProps {
  /** Unique in the page. */
  readonly id: string;
  readonly caption: string;
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
}

/** A table that the page's script makes sortable; one that is wide scrolls by itself. */
export function Table({ id, caption, columns, rows }: TableProps): VNode {
  return (
    <section class="scroll" tabindex={0} aria-labelledby={id}>
      <table class={columns.length < 5 ? undefined : columns.length < 8 ? 'broad' : 'broader'}>
        <caption>
          <span id={id}>{caption}</span>
        </caption>
        <thead>
          <tr>
            {columns.map(({ title, kind }) => (
              <th key={title} scope="col" class={kind} data-sort={kind}>
                <bdi>{title}</bdi>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((cells, index) => (
            <Row key={index} cells={cells} columns={columns} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Row({ cells, columns }: { cells: readonly Cell[]; columns: readonly Column[] }): VNode {
  return (
    <tr>
      {cells.map((cell, index) => {
        const kind = columns[index]?.kind;
        const content = <CellContent key={index} cell={cell} />;
        return index === 0 ? (
          <th key={index} scope="row" class={kind} data-order={cell.order}>
            {content}
          </th>
        ) : (
          <td key={index} class={kind} data-order={cell.order}>
            {content}
          </td>
        );
      })}
    </tr>
  );
}

function CellContent({ cell }: { cell: Cell }): VNode {
  const { series, verdict, text, note } = cell;
  return (
    <>
      {series !== undefined && (
        <span class="named">
          <Swatch series={series} />
          <Name text={text} />
        </span>
      )}
      {series === undefined && verdict === undefined && <Name text={text} />}
      {verdict !== undefined && <span class={verdict}>{text}</span>}
      {note !== undefined && <small>{note}</small>}
    </>
  );
}

/** What a table's cell shows. */
export interface Cell {
  readonly text: string;
  /** A second, quieter line. */
  readonly note?: string;
  /** What rows are sorted by; the text without it. */
  readonly order?: number;
  /** The look that the thing has in charts. */
  readonly series?: Series;
  /** Shown as a mark and a colour beside the text. */
  readonly verdict?: 'good' | 'bad';
}

/** A column's heading. */
export interface Column {
  readonly title: string;
  /** Of what kind its values are; numbers stand right. */
  readonly kind: 'text' | 'number';
}

/** @returns columns of text and of numbers; a `#` before the title makes it one of numbers */
export function columnsOf(...titles: readonly string[]): Column[] {
  return titles.map((title) =>
    title.startsWith('#') ? { title: title.slice(1), kind: 'number' } : { title, kind: 'text' },
  );
}

/** @returns a cell of text */
export function textCell(text: string | undefined): Cell {
  return { text: text ?? DASH };
}

/** @returns a cell of a number; a dash where it was not measured */
export function numberCell(value: number | undefined, format: (value: number) => string): Cell {
  return value === undefined ? { text: DASH } : { text: format(value), order: value };
}

/** @returns a cell of a name, with the look that it has in charts */
export function seriesCell(series: Series): Cell {
  return { text: series.name, series };
}

/** @returns an accuracy and, below it, its interval */
export function accuracyCell(estimate: Estimate | undefined): Cell {
  if (estimate === undefined) return { text: DASH };
  return { text: formatPercent(estimate.value), note: formatInterval(estimate), order: estimate.value };
}

/** @returns a difference in points and, below it, its interval */
export function pointsCell(estimate: Estimate | undefined): Cell {
  if (estimate === undefined) return { text: DASH };
  return { text: formatPointsNumber(estimate.value), note: formatInterval(estimate), order: estimate.value };
}

/** @returns whether something holds, as a word and a mark */
export function verdictCell(isGood: boolean, words: { good: string; bad: string }): Cell {
  return isGood ? { text: words.good, verdict: 'good' } : { text: words.bad, verdict: 'bad' };
}
