import type { Report } from '../../../src/report/document.js';
import { sampleReport } from '../sample-report.js';

/** Strings that break pages which trust them. */
export const HOSTILE = [
  '<script>window.isHacked = true</script>',
  '"><img src=x onerror="window.isHacked=true">',
  "'><svg onload=alert(1)>",
  '</style></title></script><script>alert(2)</script>',
  'javascript:alert(3)',
  `${'verylongword'.repeat(30)}`,
  'a\u0000b\u0007c\u001bd\ufffee\ud800f\ufffdg',
  '\u202egnp.exe\u202c \u2067abc',
  'שלום עולם مرحبا',
  'a.b[c]["d"]\\.e',
  "datum.value'] + alert(4) + ['",
  '{{7*7}} $' + '{alert(5)} &lt;b&gt; &amp;',
  '--> ]]> <!-- <![CDATA[',
  ' d="1.23456" role="graphics-object" aria-roledescription="x"',
  '$& $1 $` toString __proto__ constructor',
  '𝔘𝔫𝔦𝔠𝔬𝔡𝔢 👩‍👩‍👧 e\u0301\u0301\u0301',
];

const FIXED = ['format', 'source', 'measure', 'best', 'dtype', 'way', 'grid', 'int4Grid'];

/** @returns the sample report with every free string replaced by a hostile one */
export function hostileReport(): Report {
  let count = 0;
  const changed = new Map<string, string>();
  const spoil = (text: string): string => {
    const known = changed.get(text) ?? `${HOSTILE[count++ % HOSTILE.length]} ${count}`;
    changed.set(text, known);
    return known;
  };
  const visit = (value: unknown, key: string): unknown => {
    if (typeof value === 'string') return FIXED.includes(key) ? value : spoil(value);
    if (Array.isArray(value)) return value.map((one) => visit(one, key));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, visit(one, name)]));
  };
  return visit(sampleReport(), '') as Report;
}
