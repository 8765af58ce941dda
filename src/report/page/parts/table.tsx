import type { VNode } from 'preact';
import type { Estimate } from '../../interval.js';
import { DASH, formatInterval, formatPercent, formatSigned, formatSignedInterval } from '../format.js';
import type { Series } from '../view.js';
import { Name, Swatch } from './figure.js';

/** A table whose first column contains the row headers. */
interface TableProps {
  /** Unique within the page. */
  readonly id: string;
  readonly caption: string;
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
}

/** A table that the page's script makes sortable; wide tables scroll. */
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

/** The content of a table cell. */
export interface Cell {
  readonly text: string;
  /** A second, less prominent line. */
  readonly note?: string;
  /** Sort key; the text by default. */
  readonly order?: number;
  /** The series, shown with its mark. */
  readonly series?: Series;
  /** Shown as a mark and a colour with the text. */
  readonly verdict?: 'good' | 'bad';
}

/** A column's heading. */
export interface Column {
  readonly title: string;
  /** Type of its values; numbers are right-aligned. */
  readonly kind: 'text' | 'number';
}

/** @returns columns of text, or of numbers if the title starts with `#` */
export function columnsOf(...titles: readonly string[]): Column[] {
  return titles.map((title) =>
    title.startsWith('#') ? { title: title.slice(1), kind: 'number' } : { title, kind: 'text' },
  );
}

/** @returns a cell of text */
export function textCell(text: string | undefined): Cell {
  return { text: text ?? DASH };
}

/** @returns a cell with a number; a dash if it was not measured */
export function numberCell(value: number | undefined, format: (value: number) => string): Cell {
  return value === undefined ? { text: DASH } : { text: format(value), order: value };
}

/** @returns a cell with the name and mark of a series */
export function seriesCell(series: Series): Cell {
  return { text: series.name, series };
}

/** @returns a cell with an accuracy and, below it, its interval */
export function accuracyCell(estimate: Estimate | undefined): Cell {
  if (estimate === undefined) return { text: DASH };
  return { text: formatPercent(estimate.value), note: formatInterval(estimate), order: estimate.value };
}

/** @returns a cell with a signed difference in points and, below it, its interval */
export function pointsCell(estimate: Estimate | undefined): Cell {
  if (estimate === undefined) return { text: DASH };
  const { value } = estimate;
  return { text: formatSigned(value), note: formatSignedInterval(estimate), order: value };
}

/** @returns a cell with a verdict as a word and a mark */
export function verdictCell(isGood: boolean, words: { good: string; bad: string }): Cell {
  return isGood ? { text: words.good, verdict: 'good' } : { text: words.bad, verdict: 'bad' };
}
