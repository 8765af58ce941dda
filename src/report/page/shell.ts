import { SCRIPT } from './script.js';

/**
 * Wraps a body into a page whose content security policy forbids all requests and all scripts except the
 * page's own, which is identified by its hash.
 *
 * @param title safe to display, not escaped
 * @param body markup
 */
export async function wrapPage(title: string, body: string): Promise<string> {
  const policy = `default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-${await hashOf(SCRIPT)}'; base-uri 'none'; form-action 'none'`;
  return `<!doctype html>
<html lang="en-GB">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${escapeText(title)}</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
${body}
<script>${SCRIPT}</script>
</body>
</html>
`;
}

/** @returns SHA-256 in base64, as content security policies identify scripts */
async function hashOf(text: string): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return btoa(String.fromCharCode(...new Uint8Array(hash)));
}

function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

/**
 * Colours of both schemes: contrast of at least 4.5 for text and 3 for marks; series differ for colour-blind
 * readers.
 */
const COLOURS = `
:root {
  color-scheme: light dark;
  --ground: #fafafa; --card: #fff; --text: #1b1b1f; --quiet: #5a5a64;
  --line: #dcdce2; --line-strong: #b9b9c3; --edge: #b9b9c3; --accent: #2251c9;
  --right: #0b6b3a; --right-ground: #e3f3e9; --wrong: #b3261e; --wrong-ground: #fbe9e7;
  --base: #8a5a00; --full: #1b1b1f; --other: #85858f;
  --series-1: #2251c9; --series-2: #c2410c; --series-3: #0f766e;
  --series-4: #8b3fa8; --series-5: #7a6a00; --series-6: #be2a6b;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --ground: #131316; --card: #1d1d22; --text: #ececf1; --quiet: #a9a9b5;
    --line: #34343d; --line-strong: #5b5b67; --edge: #5b5b67; --accent: #9db8ff;
    --right: #74d99f; --right-ground: #16301f; --wrong: #ffb4ab; --wrong-ground: #3d1a17;
    --base: #e5b454; --full: #ececf1; --other: #85858f;
    --series-1: #8fb0ff; --series-2: #ff9d66; --series-3: #5bd3c2;
    --series-4: #d9a3f2; --series-5: #d8c958; --series-6: #ff8fbd;
  }
}
`;

const PAGE = `
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body {
  margin: 0; background: var(--ground); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; font-variant-numeric: tabular-nums;
}
header, main { max-width: 67rem; margin: 0 auto; padding: 0 1.5rem; }
header { padding-top: 2.5rem; }
header p { margin: 0.25rem 0 0; color: var(--quiet); }
main { padding-bottom: 5rem; }
h1 { margin: 0; font-size: 1.75rem; line-height: 1.2; letter-spacing: -0.01em; }
h2 { margin: 0 0 1.25rem; font-size: 1.3rem; line-height: 1.3; }
h3 { margin: 2.25rem 0 0.75rem; font-size: 1.05rem; line-height: 1.3; }
p { margin: 0 0 0.75rem; max-width: 46rem; }
a { color: var(--accent); text-underline-offset: 0.2em; }
code { font: 0.875em ui-monospace, monospace; }
small { display: block; color: var(--quiet); font-size: 0.8125rem; font-weight: 400; }
bdi { unicode-bidi: isolate; }
.note, figcaption span { color: var(--quiet); font-size: 0.875rem; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 2px; }
.skip { position: absolute; left: -100vw; top: 0.5rem; padding: 0.5rem 1rem; background: var(--card); }
.skip:focus { left: 1rem; z-index: 2; }
main > section { margin-top: 3rem; padding-top: 2rem; border-top: 1px solid var(--line); }
nav { margin-top: 1.5rem; font-size: 0.9375rem; }
nav ul { display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; margin: 0; padding: 0; list-style: none; }
nav a { display: inline-block; padding: 0.25rem 0; }
`;

const PARTS = `
main > .verdict {
  margin-top: 1.5rem; padding: 1.5rem; border: 1px solid var(--line); border-radius: 0.75rem; background: var(--card);
}
.verdict h2 { margin: 0.75rem 0 0; font-size: 1.3rem; text-wrap: pretty; }
.badge {
  display: inline-block; margin: 0; padding: 0.125rem 0.75rem; border-radius: 1rem; font-size: 0.875rem; font-weight: 600;
}
.badge.good { background: var(--right-ground); }
.badge.bad { background: var(--wrong-ground); }
.good { color: var(--right); }
.bad { color: var(--wrong); }
.good::before { content: "✓\\00a0"; }
.bad::before { content: "✗\\00a0"; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(7.75rem, 1fr)); gap: 1.25rem 1rem; margin: 1.5rem 0; }
.figures dt { color: var(--quiet); font-size: 0.8125rem; }
.figures dd { margin: 0; font-size: 1.25rem; font-weight: 600; line-height: 1.35; }
.reasons { margin: 1.25rem 0 0; padding: 0 0 0 1.1rem; max-width: 46rem; }
.reasons li + li { margin-top: 0.25rem; }
.problems { margin: 1rem 0; color: var(--wrong); padding-left: 1.1rem; }
.facts { margin: 1.25rem 0; }
.facts div { display: grid; grid-template-columns: minmax(7rem, 16rem) 1fr; gap: 0 1.5rem; padding: 0.4rem 0; border-top: 1px solid var(--line); }
.facts dt { color: var(--quiet); }
.facts dd { margin: 0; min-width: 0; }
figure { margin: 2rem 0 0; min-width: 0; }
h3 + figure { margin-top: 0.75rem; }
.scroll + .note, p + .note { margin-top: 0.75rem; }
figcaption strong { display: block; font-weight: 600; font-size: 0.9375rem; }
figcaption span { display: block; max-width: 46rem; }
.legend { display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; margin: 0.5rem 0 0; padding: 0; list-style: none; font-size: 0.875rem; }
.legend li { position: relative; padding-left: 1.25rem; min-width: 0; }
.legend .swatch { position: absolute; left: 0; top: 0.3rem; }
.swatch { overflow: visible; }
.chart { margin-top: 0.75rem; }
.chart svg { display: block; width: 100%; height: auto; overflow: visible; font-family: inherit; }
.chart text { font-family: inherit; }
.chart [role="img"]:focus-visible { outline: 2px solid var(--text); outline-offset: 3px; }
.chart.narrow { display: none; max-width: 30rem; }
.chart.half { max-width: 27rem; }
.pair { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 0 3rem; align-items: start; }
.tip {
  position: fixed; z-index: 3; max-width: min(22rem, calc(100vw - 1rem)); padding: 0.375rem 0.625rem; border-radius: 0.375rem;
  background: var(--text); color: var(--ground); font-size: 0.875rem; line-height: 1.4; pointer-events: none;
}
details { margin-top: 1.25rem; }
summary { padding: 0.25rem 0; color: var(--accent); font-size: 0.9375rem; cursor: pointer; }
summary bdi { text-decoration: underline; text-underline-offset: 0.2em; }
.gallery { padding: 0; list-style: none; }
.gallery > li { margin-top: 1.5rem; padding: 1.5rem; border: 1px solid var(--line); border-radius: 0.75rem; background: var(--card); }
.gallery h2 { margin: 0.75rem 0 0.25rem; }
.gallery .facts { margin-bottom: 0; }
`;

const SCREENS = `
@media (max-width: 800px) {
  header, main { padding-left: 1rem; padding-right: 1rem; }
  header { padding-top: 1.5rem; }
  h1 { font-size: 1.5rem; }
  h2, .verdict h2 { font-size: 1.2rem; }
  main > section { margin-top: 2.25rem; padding-top: 1.5rem; }
  main > .verdict { padding: 1rem; }
  .chart.wide { display: none; }
  .chart.narrow { display: block; }
  .pair { grid-template-columns: minmax(0, 1fr); }
  .facts div { grid-template-columns: minmax(0, 1fr); }
}
@media print {
  :root { color-scheme: light; }
  body { background: none; font-size: 10pt; }
  nav, .skip, .tip { display: none; }
  .scroll { overflow: visible; background: none; }
  .scroll.cut caption span::after { content: none; }
  table { font-size: 8pt; }
  table.broad, table.broader { min-width: 0; font-size: 7pt; }
  th, td { padding: 0.3rem 0.2rem; overflow-wrap: anywhere; }
  thead th.text:first-child, tbody th.text { position: static; background: none; min-width: 0; }
  tbody .text, tbody td.text:last-child, td .named { min-width: 0; }
  figure, tr, .verdict { break-inside: avoid; }
  h2, h3, caption, figcaption { break-after: avoid; }
}
@media (forced-colors: active) {
  .chart svg, .swatch { forced-color-adjust: none; }
}
`;

/** Tables: numbers are right-aligned; wide tables scroll with their first column fixed. */
const TABLE_STYLE = `
.scroll {
  position: relative; margin-top: 1.5rem; overflow-x: auto;
  background:
    linear-gradient(to left, var(--ground) 40%, transparent) 100% 0 / 4rem 100% no-repeat local,
    linear-gradient(to left, var(--edge), transparent) 100% 0 / 1rem 100% no-repeat scroll;
}
.scroll.cut caption span::after { content: "Scroll sideways for more columns \\2192"; display: block; color: var(--quiet); font-weight: 400; font-size: 0.8125rem; }
figure + .scroll, .pair > .scroll { margin-top: 2rem; }
table { width: 100%; border-collapse: collapse; font-size: 0.875rem; line-height: 1.4; }
caption { padding-bottom: 0.5rem; text-align: left; }
caption span {
  position: sticky; left: 0; display: inline-block; max-width: calc(100vw - 3rem); font-size: 0.9375rem; font-weight: 600;
}
th, td { padding: 0.45rem 0.625rem; border-top: 1px solid var(--line); text-align: left; vertical-align: top; overflow-wrap: normal; }
th:first-child, td:first-child { padding-left: 0; }
th:last-child, td:last-child { padding-right: 0; }
thead th { border-top: 0; color: var(--quiet); font-weight: 400; font-size: 0.8125rem; line-height: 1.3; vertical-align: bottom; }
thead th.text:first-child { position: sticky; left: 0; z-index: 1; background: var(--ground); }
tbody th { font-weight: 500; }
tbody tr:last-child > * { border-bottom: 1px solid var(--line); }
table.broad { min-width: 38rem; }
table.broader { min-width: 62rem; }
.named { position: relative; display: inline-block; padding-left: 1.25rem; }
.named .swatch { position: absolute; left: 0; top: 0.25rem; }
.number { text-align: right; white-space: nowrap; }
thead .number { white-space: normal; }
tbody .text { min-width: 6rem; max-width: 22rem; overflow-wrap: anywhere; }
tbody td.text:last-child { min-width: 11rem; }
td .named { min-width: 7.5rem; }
tbody th.text { position: sticky; left: 0; z-index: 1; background: var(--ground); min-width: 8rem; max-width: 16rem; padding-right: 0.75rem; }
td .good, td .bad { white-space: nowrap; font-weight: 500; }
th button {
  margin: -0.25rem 0; padding: 0.25rem 0; border: 0; background: none; color: inherit; font: inherit; text-align: inherit; cursor: pointer;
}
th button:hover { color: var(--text); text-decoration: underline; text-underline-offset: 0.2em; }
th[aria-sort] { color: var(--text); font-weight: 600; }
th[aria-sort] button::after { content: "\\00a0↓"; }
th[aria-sort="ascending"] button::after { content: "\\00a0↑"; }
@media (max-width: 800px) {
  tbody td.text:last-child { min-width: 11rem; }
td .named { min-width: 7.5rem; }
tbody th.text { max-width: 9rem; }
}
`;

/** The style sheet of all pages. */
const STYLE = COLOURS + PAGE + PARTS + TABLE_STYLE + SCREENS;
