// Makes the reports of all tasks of the benches, and the page that leads to them: npm run demo -- gallery.

import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Report } from '../../src/report/document.js';
import type { GalleryEntry } from '../../src/report/page/gallery.js';
import { renderGalleryPage } from '../../src/report/page/render-pages.js';
import { formatPercent } from '../../src/report/words.js';
import { TASKS } from '../tasks/index.js';
import { BENCHES, makeReport } from './make-report.js';

const GALLERY = join('docs', 'gallery');

async function run(): Promise<void> {
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort(new DOMException('Interrupted', 'AbortError')));
  await mkdir(GALLERY, { recursive: true });
  const entries: GalleryEntry[] = [];
  for (const { name } of TASKS) {
    const { report, out } = await makeReport({
      task: name,
      seed: 1,
      folder: join('.cache', 'reports', name),
      bench: BENCHES,
      signal: stop.signal,
      say: (text) => process.stderr.write(`${text}\n`),
    });
    await copyFile(join(out, 'report.html'), join(GALLERY, `${name}.html`));
    entries.push(entryOf(report, `${name}.html`));
  }
  await writeFile(join(GALLERY, 'index.html'), await renderGalleryPage(entries));
  process.stdout.write(`${join(GALLERY, 'index.html')}\n`);
}

function entryOf({ title, advice, base, full, candidates }: Report, href: string): GalleryEntry {
  const accuracyOf = ({ quality }: Pick<Report['base'], 'quality'> = {}): string =>
    quality === undefined ? '–' : formatPercent(quality.accuracy.value);
  const shipped = candidates.find(({ name }) => name === advice.ship);
  const facts = [
    { name: 'Base', value: accuracyOf(base) },
    { name: 'Full fine-tune', value: accuracyOf(full) },
    ...(shipped === undefined ? [] : [{ name: shipped.name, value: accuracyOf(shipped) }]),
  ];
  return { title, href, headline: advice.headline, isPassed: advice.isPassed, facts };
}

await run();
