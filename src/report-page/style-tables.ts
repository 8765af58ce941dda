/** Tables: numbers stand right, wide ones scroll by themselves with their first column in sight. */
export const TABLE_STYLE = `
.scroll { position: relative; margin-top: 1.5rem; overflow-x: auto; }
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
