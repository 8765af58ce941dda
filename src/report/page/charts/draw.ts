import * as vega from 'vega';
import * as vegaLite from 'vega-lite';

/** A chart's drawing for screens of one width: `wide` and `narrow` for one chart, `half` for one that fits both. */
export interface Drawing {
  readonly fit: Fit;
  /** SVG whose marks have `aria-label`s. */
  readonly svg: string;
}

export type Fit = 'wide' | 'narrow' | 'half';

/** How wide each drawing is, in units of 1/12 of its text's height, about. */
export const WIDTHS: Readonly<Record<Fit, number>> = { wide: 920, narrow: 360, half: 384 };

/** Room around the plot, for axes: nothing is measured, so that every machine draws the same. */
export interface Margins {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** A chart in the terms of Vega-Lite. */
export interface Chart {
  /** What it shows, for those who do not see it. */
  readonly label: string;
  /** Of the plot. */
  readonly height: number;
  readonly margins: Margins;
  readonly layers: readonly object[];
}

const CONFIG = {
  background: null,
  view: { stroke: null },
  aria: true,
  axis: {
    ...{
      aria: false,
      labelLimit: 0,
      titleLimit: 0,
      labelOverlap: false,
      labelBound: false,
      labelFlush: false,
    },
    ...{ labelFontSize: 12, titleFontSize: 12, titleFontWeight: 'normal', labelPadding: 6, titlePadding: 8 },
    ...{ labelColor: 'var(--quiet)', titleColor: 'var(--quiet)', gridColor: 'var(--line)', domain: false },
    ...{ ticks: false, domainColor: 'var(--line)' },
  },
  axisX: { titleAnchor: 'end', titleAlign: 'right' },
  text: { aria: false, fontSize: 12, fill: 'var(--text)' },
  rule: { aria: false },
  line: { aria: false },
};

/** @returns a chart drawn for wide and narrow screens */
export async function drawBoth(chart: (fit: Fit) => Chart): Promise<Drawing[]> {
  return Promise.all([draw('wide', chart('wide')), draw('narrow', chart('narrow'))]);
}

export async function draw(fit: Fit, chart: Chart): Promise<Drawing> {
  return { fit, svg: await drawSvg(WIDTHS[fit], chart) };
}

/** @returns a chart as SVG of a width, margins included; no document, no canvas */
export async function drawSvg(width: number, { label, height, margins, layers }: Chart): Promise<string> {
  const size = { width: width - margins.left - margins.right, height };
  const autosize = { type: 'none' };
  const spec = { ...size, padding: margins, autosize, config: CONFIG, layer: layers };
  // The layers are plain objects: their types in Vega-Lite are unions that literals made by functions do not meet.
  const { spec: compiled } = vegaLite.compile(spec as unknown as vegaLite.TopLevelSpec, { logger: QUIET });
  const view = new vega.View(vega.parse(compiled), { renderer: 'none', logger: QUIET });
  try {
    return tidySvg(await view.toSVG(), label);
  } finally {
    view.finalize();
  }
}

/** Problems of a chart show in its drawing; nothing is printed. */
const QUIET = vega.logger(vega.None);

/** Makes a drawing fit to stand in a page: its size is the page's matter, its marks are images with a label each. */
function tidySvg(svg: string, label: string): string {
  const [, viewBox] = /viewBox="([\d .-]+)"/.exec(svg) as RegExpExecArray;
  const start = `<svg role="group" aria-label="${escapeAttribute(label)}" viewBox="${viewBox}">`;
  return svg
    .replace(/^<svg [^>]*>/, () => start)
    .replaceAll(/<path class="(?:back|fore)ground" aria-hidden="true" d="[^"]*"[^>]*\/>/g, '')
    .replaceAll(/ role="graphics-object" aria-roledescription="[^"<>]*"/g, '')
    .replaceAll(/role="graphics-symbol" aria-roledescription="[^"<>]*"/g, 'role="img"')
    .replaceAll(/ (?:font-family|pointer-events|class|opacity)="(?:sans-serif|none|1|mark-[^"<>]*)"/g, '')
    .replaceAll(/ (?:d|transform|x2|y2)="[^"]*"/g, (numbers) => numbers.replaceAll(/(\.\d\d)\d+/g, '$1'));
}

function escapeAttribute(text: string): string {
  const names: Record<string, string> = { '&': '&amp;', '"': '&quot;', '<': '&lt;', '>': '&gt;' };
  return text.replaceAll(/[&"<>]/g, (character) => names[character] as string);
}
