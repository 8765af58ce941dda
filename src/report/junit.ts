import { printable } from '../model/printable.js';
import type { Candidate, Check, Report } from './document.js';

/**
 * Renders the gates as JUnit test results for build servers: a suite for each payload, a case for each gate.
 * If some payload meets all gates, failures of the others are reported as skipped, as they did not decide
 * against the release.
 *
 * Source: the JUnit XML format as Jenkins and GitLab read it.
 */
export function renderJunit({ candidates, advice, title }: Report): string {
  const suites = candidates.map((candidate) => suiteOf(candidate, advice.isPassed));
  const lines = suites.map(({ text }) => text);
  const totals = countsOf(suites);
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="${escapeXml(title)}" ${totals}>\n${lines.join('')}</testsuites>\n`;
}

interface Counts {
  readonly tests: number;
  readonly failures: number;
  readonly skipped: number;
}

function countsOf(counts: readonly Counts[]): string {
  const sum = (of: (each: Counts) => number): number => counts.reduce((total, each) => total + of(each), 0);
  return `tests="${sum(({ tests }) => tests)}" failures="${sum(({ failures }) => failures)}" skipped="${sum(({ skipped }) => skipped)}"`;
}

function suiteOf({ name, checks, problem }: Candidate, isSkipped: boolean): Counts & { text: string } {
  const whole: Pick<Check, 'id' | 'isMet' | 'message'>[] =
    problem === undefined ? [] : [{ id: 'outputs', isMet: false, message: `the model ${problem}` }];
  const all = [...whole, ...checks];
  const failing = all.filter(({ isMet }) => !isMet).length;
  const counts = { tests: all.length, failures: isSkipped ? 0 : failing, skipped: isSkipped ? failing : 0 };
  const cases = all.map((check) => caseOf(name, check, isSkipped)).join('');
  const text = `  <testsuite name="${escapeXml(name)}" ${countsOf([counts])}>\n${cases}  </testsuite>\n`;
  return { ...counts, text };
}

function caseOf(
  suite: string,
  { id, isMet, message }: Pick<Check, 'id' | 'isMet' | 'message'>,
  isSkipped: boolean,
): string {
  const open = `    <testcase classname="${escapeXml(suite)}" name="${escapeXml(id)}"`;
  if (isMet) return `${open}/>\n`;
  const what = isSkipped ? 'skipped' : 'failure';
  return `${open}>\n      <${what} message="${escapeXml(message)}"/>\n    </testcase>\n`;
}

/** Escapes text for an attribute, on one line; XML 1.0 does not allow controls. */
function escapeXml(text: string): string {
  return printable(text).replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
