/** Vega expression for labels of bytes. */
const BYTE_LABELS =
  "datum.value >= 1e9 ? datum.value / 1e9 + ' GB' : datum.value >= 1e6 ? datum.value / 1e6 + ' MB' : datum.value >= 1e3 ? datum.value / 1e3 + ' kB' : datum.value + ' B'";

/** Vega expression for labels of shares. */
const PERCENT_LABELS = "format(100 * datum.value, '.4') + ' %'";

/** The domain of a scale and the positions of its grid lines. */
interface Span {
  readonly domain: readonly [low: number, high: number];
  readonly ticks: readonly number[];
}

/** @returns a logarithmic span for bytes, with grid lines at powers of ten, or closer if those are too few */
export function byteSpan(values: readonly number[], options: { isFromTick: boolean }): Span {
  const low = Math.min(...values);
  const high = Math.max(...values);
  const steps = high / low > 40 ? [1] : high / low > 4 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 8];
  const all = Array.from({ length: 16 }, (_, power) => steps.map((step) => step * 10 ** power)).flat();
  const below = Math.max(0.1, ...all.filter((tick) => tick < low));
  const above = all.find((tick) => tick > high) ?? high;
  const domain = options.isFromTick ? ([below, high * 1.1] as const) : ([low / 1.3, high * 1.3] as const);
  const ticks = [below, ...all, above].filter((tick) => tick >= domain[0] && tick <= domain[1]);
  return { domain, ticks: [...new Set(ticks)] };
}

/** @returns a span that contains all given accuracies, with grid lines at round values */
export function accuracySpan(values: readonly number[]): Span {
  const low = Math.min(...values);
  const high = Math.max(...values);
  const pad = Math.max(0.005, (high - low) * 0.08);
  const domain = [Math.max(0, low - pad), Math.min(1, high + pad)] as const;
  const step = roundStep((domain[1] - domain[0]) / 5);
  const count = Math.floor(domain[1] / step + 1e-9) - Math.ceil(domain[0] / step - 1e-9) + 1;
  const first = Math.ceil(domain[0] / step - 1e-9);
  const ticks = Array.from({ length: count }, (_, index) => Number(((first + index) * step).toFixed(6)));
  return { domain, ticks };
}

/** @returns a linear span from 0 for non-negative values */
export function zeroSpan(values: readonly number[]): Span {
  const high = Math.max(...values, 1e-6);
  const step = roundStep(high / 5);
  const ticks = Array.from({ length: Math.floor(high / step) + 1 }, (_, index) =>
    Number((index * step).toPrecision(6)),
  );
  return { domain: [0, high * 1.02], ticks };
}

/** @returns 1, 2 or 5 times a power of ten, not smaller than the given step */
function roundStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step));
  return power * ([1, 2, 5, 10].find((factor) => factor * power >= step * 0.999) as number);
}

/** @returns an encoding of bytes on a logarithmic axis */
export function byteChannel(field: string, { domain, ticks }: Span, title: string): object {
  const axis = { values: ticks, labelExpr: BYTE_LABELS, title, grid: true };
  return { field, type: 'quantitative', scale: { type: 'log', domain, nice: false }, axis };
}

/** @returns an encoding of shares on a linear axis; without a title if the chart's title is enough */
export function shareChannel(field: string, { domain, ticks }: Span, title?: string): object {
  const axis = { values: ticks, labelExpr: PERCENT_LABELS, title: title ?? null, grid: true };
  return { field, type: 'quantitative', scale: { domain, nice: false, zero: false }, axis };
}

/** @returns an encoding of plain numbers on a linear axis */
export function numberChannel(field: string, { domain, ticks }: Span): object {
  const axis = { values: ticks, title: null, grid: true };
  return { field, type: 'quantitative', scale: { domain, nice: false, zero: false }, axis };
}

/** @returns encodings of colour and shape by the index of a series */
export function lookChannels(
  series: readonly { colour: string; shape: string }[],
): Readonly<Record<'fill' | 'shape', object>> {
  const domain = series.map((_, index) => index);
  const channel = (range: readonly string[]) => ({
    field: 'series',
    type: 'ordinal',
    legend: null,
    scale: { domain, range },
  });
  return {
    fill: channel(series.map(({ colour }) => colour)),
    shape: channel(series.map(({ shape }) => shape)),
  };
}
