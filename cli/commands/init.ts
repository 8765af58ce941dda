import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { NeuralDiffError } from '../../src/model/errors.js';
import { withFileErrors } from '../../src/node/file-errors.js';
import { checkOutput, listFolder, writeFolder, writeInto, writeOutput } from '../../src/node/output.js';
import { importWithTensorFlow } from '../../src/recipe/import-training.js';
import { checkReportPage } from '../../src/report/page/render-pages.js';
import { defineCommand } from '../command.js';
import { UsageError } from '../exit-codes.js';
import { DRY_RUN, FORCE } from '../flags.js';
import { printResult, remark } from '../io.js';
import {
  BASE_FOLDER,
  LANGUAGES,
  type Language,
  nextCommands,
  RECIPE_FILES,
  starterRecipe,
} from '../starter.js';

export const command = defineCommand({
  group: 'Set up',
  summary: 'Start a project with a recipe, synthetic data and a small base model',
  details: [
    `Writes the recipe, and a model of 17,000 weights into ${BASE_FOLDER}. The model knows three kinds of ` +
      'signals, and the recipe teaches it three more; no data are downloaded. Prints the commands that ' +
      'train, show, apply, measure and publish a diff; they run unchanged, in less than a minute.',
    'Recipes in TypeScript need Node.js 22.18 or newer, which runs them without a compiler.',
  ],
  args: { folder: { type: 'string', default: '.', description: 'Project folder; default: the current one' } },
  flags: {
    language: {
      type: 'string',
      choices: LANGUAGES,
      default: 'js',
      description: 'Language of the recipe',
    },
    force: FORCE,
    dryRun: DRY_RUN,
  },
  examples: [
    { description: 'Start a project in the folder demo', run: 'init demo' },
    { description: 'Start one here, with a TypeScript recipe', run: 'init . --language ts' },
  ],
  async handle(flags, io) {
    const { folder, language, force, dryRun } = flags;
    checkLanguage(language);
    const recipe = RECIPE_FILES[language];
    const outputs = { recipe: join(folder, recipe), base: join(folder, BASE_FOLDER) };
    await checkOutputs(folder, outputs, force);
    const { trainStarter } = await importWithTensorFlow(() => import('../../src/recipe/train-starter.js'));
    if (!dryRun) {
      const model = await trainStarter(starterRecipe('js'), io.signal);
      io.signal.throwIfAborted();
      await write({ folder, ...outputs, text: starterRecipe(language), model }, force);
    }
    const commands = nextCommands(recipe, (await canWritePages()) ? 'report' : 'compare');
    const lines = commands.map((line) => `npx neural-diff ${line}`);
    const steps = folder === '.' ? lines : [`cd ${quoted(folder)}`, ...lines];
    printResult(io, flags, {
      json: { ...(dryRun && { dryRun }), folder, ...outputs, commands },
      lines: steps,
    });
    const wrote = dryRun ? 'would write' : 'wrote';
    remark(io, flags, `${wrote} ${outputs.recipe} and ${outputs.base}; run next:`);
  },
});

/** Refuses a language that this Node.js does not run. */
function checkLanguage(language: Language): void {
  if (language === 'js' || (process.features as { typescript?: unknown }).typescript) return;
  throw new UsageError(
    `Cannot use --language ts: recipes in TypeScript need Node.js 22.18 or newer, this is ${process.version}`,
  );
}

/** @throws NeuralDiffError `output-exists`; `file-not-found` if the folder has no parent or is a file */
async function checkOutputs(folder: string, { recipe, base }: Outputs, force: boolean): Promise<void> {
  const names = await listFolder(folder);
  if (names.size > 0) await checkOutput(recipe, { force });
  if (names.has('models')) await checkOutput(base, { force });
}

/** Paths that are written. */
interface Outputs {
  readonly recipe: string;
  readonly base: string;
}

interface Project extends Outputs {
  readonly folder: string;
  readonly text: string;
  readonly model: ReadonlyMap<string, Uint8Array>;
}

async function write({ folder, recipe, base, text, model }: Project, force: boolean): Promise<void> {
  await withFileErrors(`Cannot make "${base}"`, () => mkdir(dirname(base), { recursive: true }));
  await writeFolder({ from: folder, files: [], to: base, force }, async (staged) => {
    for (const [name, bytes] of model) await writeInto(staged, name, bytes);
  });
  await writeOutput(recipe, new TextEncoder().encode(text), { force });
}

/** @returns whether the packages are there that pages of reports need */
function canWritePages(): Promise<boolean> {
  return checkReportPage().then(
    () => true,
    (error: unknown) => {
      if (error instanceof NeuralDiffError && error.code === 'missing-package') return false;
      throw error;
    },
  );
}

/** @returns a path as a word of a shell */
const quoted = (path: string): string =>
  /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
