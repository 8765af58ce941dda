const THOUSANDS = /\B(?=(\d{3})+$)/g;

/** @returns a whole number with its thousands set apart: `2,988` */
export function countText(count: number): string {
  return String(Math.round(count)).replaceAll(THOUSANDS, ',');
}

/** @returns bytes to the last one: `2,988 bytes` */
export function bytesText(bytes: number): string {
  return `${countText(bytes)} ${Math.round(bytes) === 1 ? 'byte' : 'bytes'}`;
}

/** @returns a share in percent, with digits enough to tell small payloads apart: `0.50 %`, `96.4 %` */
export function percentText(share: number): string {
  const percent = 100 * share;
  return `${percent.toFixed(percent !== 0 && Math.abs(percent) < 10 ? 2 : 1)} %`;
}

/** @returns a difference of shares in points of percent: `0.8 points` */
export function pointsText(difference: number): string {
  return `${pointsOf(difference)} points`;
}

/** @returns a difference of shares in points of percent, as a number alone: `0.8` */
export function pointsOf(difference: number): string {
  const points = (100 * difference).toFixed(Math.abs(difference) < 0.0095 ? 2 : 1);
  return Number(points) === 0 ? '0.0' : points.replace('-', '−');
}

/** @returns a time: `12 ms`, `1.2 s` */
export function secondsText(seconds: number): string {
  if (seconds >= 1) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  return `${(1000 * seconds).toFixed(seconds < 0.01 ? 1 : 0)} ms`;
}
