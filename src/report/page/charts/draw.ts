import * as vega from 'vega';
import * as vegaLite from 'vega-lite';

/** A drawing of a chart for one screen width: `wide` and `narrow` come in pairs, `half` fits both. */
export interface Drawing {
  readonly fit: Fit;
  /** SVG whose marks have `aria-label`s. */
  readonly svg: string;
}

type Fit = 'wide' | 'narrow' | 'half';

/** Width of each drawing, in units of about 1/12 of its text height. */
export const WIDTHS: Readonly<Record<Fit, number>> = { wide: 920, narrow: 360, half: 384 };

/** Space around the plot for axes; fixed, so that drawings are the same on every machine. */
interface Margins {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** A chart as Vega-Lite layers. */
interface Chart {
  /** Description for screen readers. */
  readonly label: string;
  /** Height of the plot. */
  readonly height: number;
  readonly margins: Margins;
  readonly layers: readonly object[];
}

const CONFIG = {
  background: null,
  view: { stroke: null },
  aria: true,
  axis: {
    aria: false,
    labelLimit: 0,
    titleLimit: 0,
    labelOverlap: false,
    labelBound: false,
    labelFlush: false,
    labelFontSize: 12,
    titleFontSize: 12,
    titleFontWeight: 'normal',
    labelPadding: 6,
    titlePadding: 8,
    labelColor: 'var(--quiet)',
    titleColor: 'var(--quiet)',
    gridColor: 'var(--line)',
    domain: false,
    ticks: false,
    domainColor: 'var(--line)',
  },
  axisX: { titleAnchor: 'end', titleAlign: 'right' },
  text: { aria: false, fontSize: 12, fill: 'var(--text)' },
  rule: { aria: false },
  line: { aria: false },
};

/** Draws a chart for wide and for narrow screens. */
export async function drawBoth(chart: (fit: Fit) => Chart): Promise<Drawing[]> {
  return Promise.all([draw('wide', chart('wide')), draw('narrow', chart('narrow'))]);
}

export async function draw(fit: Fit, chart: Chart): Promise<Drawing> {
  return { fit, svg: await drawSvg(WIDTHS[fit], chart) };
}

/** Draws a chart as SVG of a given width, margins included, without a document or a canvas. */
export async function drawSvg(width: number, { label, height, margins, layers }: Chart): Promise<string> {
  const size = { width: width - margins.left - margins.right, height };
  const autosize = { type: 'none' };
  const spec = { ...size, padding: margins, autosize, config: CONFIG, layer: layers };
  // Plain objects do not satisfy the union types of Vega-Lite layers.
  const { spec: compiled } = vegaLite.compile(spec as unknown as vegaLite.TopLevelSpec, { logger: QUIET });
  const view = new vega.View(vega.parse(compiled), { renderer: 'none', logger: QUIET });
  try {
    return tidySvg(await view.toSVG(), label);
  } finally {
    view.finalize();
  }
}

/** Problems of a chart are visible in its drawing, so nothing is logged. */
const QUIET = vega.logger(vega.None);

/** Prepares a drawing for a page: the page sets its size, and each mark is an image with a label. */
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
