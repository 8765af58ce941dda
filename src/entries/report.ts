// Measure payloads, set them against gates, and write reports.

export type { Measurements, Report } from '../report/document.js';
export { type Gates, type PartGates, parseGates } from '../report/gates.js';
export { renderJunit } from '../report/junit.js';
export { renderMarkdown } from '../report/markdown.js';
export { measureReport } from '../report/measure/measure-report.js';
export type { MeasureOptions } from '../report/measure/options.js';
export { renderReportPage } from '../report/page/render-pages.js';
export { percentilesOf, simulateStream } from '../report/stream-simulator.js';
export { type ReportOptions, writeReport } from '../report/write-report.js';
