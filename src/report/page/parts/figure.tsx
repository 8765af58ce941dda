import type { ComponentChildren, VNode } from 'preact';
import type { Drawing } from '../charts/draw.js';
import type { Series } from '../view.js';

/** A chart with its title, what its marks mean, and perhaps its numbers. */
interface FigureProps {
  readonly title: string;
  /** What the axes are, and what is not shown. */
  readonly note?: string;
  readonly drawings: readonly Drawing[];
  readonly legend?: readonly Series[];
  readonly children?: ComponentChildren;
}

/** A chart: each of its drawings is for screens of one width. */
export function Figure({ title, note, drawings, legend = [], children }: FigureProps): VNode {
  return (
    <figure>
      <figcaption>
        <strong>{title}</strong>
        {note !== undefined && <span>{note}</span>}
      </figcaption>
      {legend.length > 0 && <Legend series={legend} />}
      {drawings.map(({ fit, svg }) => (
        <Raw key={fit} className={`chart ${fit}`} markup={svg} />
      ))}
      {children}
    </figure>
  );
}

/** What need not be seen at once; the title of a chart's own table, usually. */
export function Details({ title, isOpen, children }: DetailsProps): VNode {
  return (
    <details open={isOpen === 'yes'}>
      <summary>
        <bdi>{title}</bdi>
      </summary>
      {children}
    </details>
  );
}

interface DetailsProps {
  readonly title: string;
  readonly isOpen?: 'yes' | 'no';
  readonly children: ComponentChildren;
}

/** Markup of this room's own making, as it is: drawings, the style sheet, the script. */
function Raw({ markup, className }: { markup: string; className?: string }): VNode {
  return <div class={className} dangerouslySetInnerHTML={{ __html: markup }} />;
}

/** A text that somebody else wrote: whatever its direction, it does not turn what stands around it. */
export function Name({ text }: { text: string }): VNode {
  return <bdi>{text}</bdi>;
}

/** The mark that a thing has in charts. */
export function Swatch({ series }: { series: Series }): VNode {
  return (
    <svg class="swatch" viewBox="-1.5 -1.5 3 3" width="12" height="12" aria-hidden="true">
      <path d={series.shape} fill={series.colour} />
    </svg>
  );
}

/** What the marks of a chart stand for. */
function Legend({ series }: { series: readonly Series[] }): VNode {
  return (
    <ul class="legend">
      {series.map((one, index) => (
        <li key={index}>
          <Swatch series={one} />
          <Name text={one.name} />
        </li>
      ))}
    </ul>
  );
}
