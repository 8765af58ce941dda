import type { VNode } from 'preact';
import type { Cell, Column } from './cells.js';
import { Name, Swatch } from './names.js';

/** A table: the first cell of each row heads it. */
export interface TableProps {
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
