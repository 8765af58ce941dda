import type { ComponentChildren, VNode } from 'preact';
import type { Drawing } from '../charts/draw.js';
import type { Series } from '../view.js';

/** A chart with its title and legend, and optionally its numbers. */
interface FigureProps {
  readonly title: string;
  /** Explains the axes, and what is omitted. */
  readonly note?: string;
  readonly drawings: readonly Drawing[];
  readonly legend?: readonly Series[];
  readonly children?: ComponentChildren;
}

/** A chart with a drawing for each screen width. */
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

/** Collapsed content, usually the table of a chart. */
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

/** Inserts trusted markup, such as drawings, unescaped. */
function Raw({ markup, className }: { markup: string; className?: string }): VNode {
  return <div class={className} dangerouslySetInnerHTML={{ __html: markup }} />;
}

/** Untrusted text, isolated so that its direction does not affect the text around it. */
export function Name({ text }: { text: string }): VNode {
  return <bdi>{text}</bdi>;
}

/** The mark of a series in charts. */
export function Swatch({ series }: { series: Series }): VNode {
  return (
    <svg class="swatch" viewBox="-1.5 -1.5 3 3" width="12" height="12" aria-hidden="true">
      <path d={series.shape} fill={series.colour} />
    </svg>
  );
}

/** The legend of a chart. */
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
