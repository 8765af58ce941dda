// Builds the site of documents, docstrings, gallery and playground: npm run site [-- --out DIR]

import { cpSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import {
  Application,
  Converter,
  type DeclarationReflection,
  type DocumentReflection,
  KindRouter,
  PageEvent,
  type Reflection,
  ReflectionKind,
  type RouterTarget,
} from 'typedoc';
import { bundlePlayground } from '../examples/playground/bundle.js';
import { ROOT } from './root.js';

/** Where the site is written, from the project's root. */
const FOLDER = '.cache/site';

/** Pages of the site that TypeDoc does not write, as its links name them. */
const OWN_PAGES: Readonly<Record<string, string>> = {
  Playground: 'site:playground/index.html',
  Gallery: 'site:gallery/index.html',
};

/** Groups of documents by their path from the root, in the order in which the navigation lists them. */
const GROUPS: readonly (readonly [string, RegExp])[] = [
  ['Documents', /^docs\/[^/]+$/],
  ['Examples', /^examples\//],
  ['Decisions', /^docs\/decisions\//],
  ['Project', /./],
];

/** Where documents lie: their paths are those of the project, their names their first headings. */
class SiteRouter extends KindRouter {
  override getIdealBaseName(target: RouterTarget): string {
    const path = paths.get(target as Reflection);
    return path === undefined ? super.getIdealBaseName(target as Reflection) : `documents/${path}`;
  }
}

/** Paths of the documents from the root, without their endings. */
const paths = new WeakMap<Reflection, string>();

/**
 * Writes the site: pages for the documents and for every public name, a search over both, the gallery and the
 * playground. All links are relative, and nothing is loaded from elsewhere.
 *
 * @param folder emptied first
 * @throws Error for a broken reference in a document or docstring
 */
export async function buildSite(folder: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  const app = await Application.bootstrap(optionsOf(folder));
  app.renderer.defineRouter('site', SiteRouter);
  app.converter.on(Converter.EVENT_CREATE_DOCUMENT, nameDocument);
  app.converter.on(Converter.EVENT_CREATE_DECLARATION, nameModule);
  app.renderer.on(PageEvent.END, linkPage);
  const project = await app.convert();
  if (project === undefined) throw new Error('Cannot build the site: the sources do not compile');
  await app.generateDocs(project, folder);
  if (app.logger.hasErrors() || app.logger.hasWarnings())
    throw new Error('Cannot build the site: see the warnings above');
  cpSync(join(ROOT, 'docs/gallery'), join(folder, 'gallery'), { recursive: true });
  await bundlePlayground(join(folder, 'playground'));
}

function optionsOf(folder: string): Parameters<typeof Application.bootstrap>[0] {
  const inRoot = (...names: string[]): string[] => names.map((name) => join(ROOT, name));
  return {
    name: 'neural-diff',
    out: folder,
    basePath: ROOT,
    displayBasePath: ROOT,
    tsconfig: join(ROOT, 'tsconfig.json'),
    entryPoints: inRoot('src/index.ts', 'src/entries/*.ts'),
    readme: join(ROOT, 'README.md'),
    projectDocuments: inRoot(
      ...['docs/*.md', 'examples/README.md', 'examples/*/README.md', 'docs/decisions/*.md'],
      ...['CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md', 'test/golden/README.md'],
    ),
    customCss: join(ROOT, 'scripts/site.css'),
    router: 'site',
    navigationLinks: OWN_PAGES,
    navigation: { includeGroups: true },
    groupOrder: [...GROUPS.map(([name]) => name), 'Modules', '*'],
    highlightLanguages: ['ts', 'js', 'json', 'html', 'sh', 'yaml', 'python', 'csv', 'ini', 'text', 'mermaid'],
    ignoredHighlightLanguages: ['hex'],
    searchInComments: true,
    searchInDocuments: true,
    excludeExternals: true,
    // Types are checked elsewhere; links to lines of the sources would need a commit and a host.
    skipErrorChecking: true,
    disableSources: true,
    disableGit: true,
    hideGenerator: true,
    logLevel: 'Warn',
    // Reports reach some types by index: test/tidy/public.test.ts says which.
    validation: { notExported: false, invalidLink: true, rewrittenLink: true },
  };
}

/** Names a document by its first heading, which the page then need not repeat. */
function nameDocument(_: unknown, document: DocumentReflection): void {
  const path = document.name;
  const [group] = GROUPS.find(([, pattern]) => pattern.test(path)) as readonly [string, RegExp];
  document.frontmatter.group = group;
  paths.set(document, path);
  const [, heading = path] = /^# (.+)$/m.exec(readFileSync(join(ROOT, `${path}.md`), 'utf8')) ?? [];
  document.name = heading.replaceAll('`', '');
}

/** Names a module as programs import it. */
function nameModule(_: unknown, module: DeclarationReflection): void {
  if (module.kind !== ReflectionKind.Module) return;
  module.name = module.name.replace(/^src(\/index)?$/, 'neural-diff').replace('src/entries/', 'neural-diff/');
}

/** Makes links to own pages relative, and those to folders lead to their page: files have no index. */
function linkPage(page: PageEvent): void {
  const up = '../'.repeat(page.url.split('/').length - 1);
  page.contents = (page.contents ?? '')
    .replaceAll('href="site:', `href="${up}`)
    .replaceAll(/href="((?:\.\.\/)+)"/g, 'href="$1index.html"');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { values } = parseArgs({ options: { out: { type: 'string', default: join(ROOT, FOLDER) } } });
  const folder = resolve(values.out);
  await buildSite(folder);
  process.stdout.write(`${pathToFileURL(join(folder, 'index.html')).href}\n`);
}
