import type { VNode } from 'preact';
import { renderToStaticMarkup } from 'preact-render-to-string';
import type { Report } from '../document.js';
import { cleanStrings } from './format.js';
import { type GalleryEntry, safeAddress } from './gallery.js';
import { Contents, PageSection, type Section } from './parts/section.js';
import { accuracySection } from './sections/accuracy.js';
import { costSection } from './sections/cost.js';
import { fleetSection } from './sections/fleet.js';
import { flipsSection } from './sections/flips.js';
import { historySection } from './sections/history.js';
import { layersSection } from './sections/layers.js';
import { methodSection } from './sections/method.js';
import { precisionSection } from './sections/precision.js';
import { sizesSection } from './sections/sizes.js';
import { streamingSection } from './sections/streaming.js';
import { trainingSection } from './sections/training.js';
import { sequenceSection, trendSection } from './sections/trend.js';
import { gatesSection, Verdict } from './sections/verdict.js';
import { wrapPage } from './shell.js';
import { type View, viewReport } from './view.js';

/** The sections of a report's page, in order. */
const SECTIONS: readonly ((view: View) => Section | undefined | Promise<Section | undefined>)[] = [
  costSection,
  sizesSection,
  gatesSection,
  accuracySection,
  flipsSection,
  streamingSection,
  layersSection,
  precisionSection,
  trainingSection,
  sequenceSection,
  fleetSection,
  trendSection,
  historySection,
  methodSection,
];

/** Makes the page of a report. */
export async function makeReportPage(document: Report): Promise<string> {
  const report = cleanStrings(document);
  const view = viewReport(report);
  const sections = (await Promise.all(SECTIONS.map(async (section) => section(view)))).filter(
    (section) => section !== undefined,
  );
  const body = renderToStaticMarkup(
    <>
      <Header title={report.title} subtitle={subtitleOf(report)} />
      <main id="main">
        <Verdict view={view} />
        <Contents sections={sections} />
        {sections.map((section) => (
          <PageSection key={section.id} {...section} />
        ))}
      </main>
    </>,
  );
  return wrapPage(report.title, body);
}

/** Makes a page with links to reports. */
export async function makeGalleryPage(list: readonly GalleryEntry[]): Promise<string> {
  const entries = cleanStrings(list);
  const title = 'Reports';
  const body = renderToStaticMarkup(
    <>
      <Header title={title} subtitle="" />
      <main id="main">
        <ul class="gallery">
          {entries.map((entry, index) => (
            <Entry key={index} {...entry} />
          ))}
        </ul>
      </main>
    </>,
  );
  return wrapPage(title, body);
}

function subtitleOf({ model, data }: Report): string {
  if (model === undefined) return '';
  const weights = `${model.weights.toLocaleString('en-GB')} weights`;
  return data === undefined
    ? weights
    : `${weights}, ${data.examples.toLocaleString('en-GB')} ${data.source} examples`;
}

function Header({ title, subtitle }: { title: string; subtitle: string }): VNode {
  return (
    <>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <header>
        <h1>
          <bdi>{title}</bdi>
        </h1>
        {subtitle !== '' && <p>{subtitle}</p>}
      </header>
    </>
  );
}

function Entry({ title, href, headline, isPassed, facts }: GalleryEntry): VNode {
  const address = safeAddress(href);
  return (
    <li>
      <p class={`badge ${isPassed ? 'good' : 'bad'}`}>{isPassed ? 'Passed' : 'Not passed'}</p>
      <h2>
        {address === undefined ? (
          <bdi>{title}</bdi>
        ) : (
          <a href={address}>
            <bdi>{title}</bdi>
          </a>
        )}
      </h2>
      <p>
        <bdi>{headline}</bdi>
      </p>
      <dl class="facts">
        {facts.map(({ name, value }, index) => (
          <div key={index}>
            <dt>
              <bdi>{name}</bdi>
            </dt>
            <dd>
              <bdi>{value}</bdi>
            </dd>
          </div>
        ))}
      </dl>
    </li>
  );
}
