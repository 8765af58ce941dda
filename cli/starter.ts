/** Languages of a recipe that `neural-diff init` writes. */
export const LANGUAGES = ['js', 'ts'] as const;

/** A language of a recipe. */
export type Language = (typeof LANGUAGES)[number];

/** Where the recipe is, by language: both endings say that it is an ES module, whatever package it is in. */
export const RECIPE_FILES: Readonly<Record<Language, string>> = { js: 'recipe.mjs', ts: 'recipe.mts' };

/** The first line of a function, whose types take more room. */
const SIGNALS: Readonly<Record<Language, string>> = {
  js: 'function signals(tf, { kinds, count, seed })',
  ts: 'function signals(tf: Tf, set: { kinds: string[]; count: number; seed: number })',
};

/** Folder of the base model. */
export const BASE_FOLDER = 'models/v1';

/**
 * The recipe that a new project starts with. It needs no package and no download.
 *
 * @returns the text of an ES module; its `before` makes the data that the base is trained with
 */
export function starterRecipe(language: Language): string {
  const type = (text: string): string => (language === 'ts' ? text : '');
  const types = `import type { Recipe } from 'neural-diff/sweep';

type Tf = Parameters<Recipe['data']>[0]['tf'];

`;
  return `// Teaches a classifier of signals, such as those of a vibration sensor, three kinds more than it knows.
// The signals are made from a seed: replace \`signals\` with data of your own. docs/RECIPES.md of the package
// neural-diff describes everything that a recipe may export.

${type(types)}const SAMPLES = 64;
const KNOWN = ['sine', 'square', 'saw'];
const ADDED = ['triangle', 'pulse', 'steps'];

/** One period of each kind, for a time from 0 to 1. */
const SHAPES${type(': Record<string, (time: number) => number>')} = {
  sine: (time) => Math.sin(2 * Math.PI * time),
  square: (time) => (time < 0.5 ? 1 : -1),
  saw: (time) => 2 * time - 1,
  triangle: (time) => 4 * Math.abs(time - 0.5) - 1,
  pulse: (time) => (time < 0.15 ? 1 : -0.2),
  steps: (time) => Math.floor(4 * time) / 1.5 - 1,
};

/** The examples of the update. The validation set is measured, the test set is for reports. */
export function data({ tf }${type(": Parameters<Recipe['data']>[0]")}) {
  const labels = [...KNOWN, ...ADDED];
  return {
    train: signals(tf, { kinds: labels, count: 2400, seed: 1 }),
    validation: signals(tf, { kinds: labels, count: 600, seed: 2 }),
    test: signals(tf, { kinds: labels, count: 600, seed: 3 }),
    labels,
  };
}

export const loss = 'categoricalCrossentropy';
export const metrics = ['accuracy'];
export const options = { epochs: 20, batchSize: 32, fineTune: { epochs: 12, learningRate: 0.004 } };

/** What \`neural-diff init\` trained models/v1 with. Delete it for a model of your own. */
const before = (tf${type(': Tf')}) => signals(tf, { kinds: KNOWN, count: 1200, seed: 4 });

/** Signals of some kinds in turn: two to three periods, and noise. */
${SIGNALS[language]} {
${type('  const { kinds, count, seed } = set;\n')}  const random = randomFrom(seed);
  const rows = Array.from({ length: count }, (_, i) => {
    const shape = SHAPES[kinds[i % kinds.length]${type(' as string')}]${type(' as (time: number) => number')};
    const [start, periods] = [random() / 4, 2 + random()];
    const at = (sample${type(': number')}) => shape((start + (periods * sample) / SAMPLES) % 1);
    return Array.from({ length: SAMPLES }, (_, sample) => at(sample) + 0.6 * (random() - 0.5));
  });
  const which = Array.from({ length: count }, (_, i) => i % kinds.length);
  const ys = tf.oneHot(tf.tensor1d(which, 'int32'), KNOWN.length + ADDED.length).toFloat();
  return { xs: tf.tensor2d(rows), ys };
}

/** Numbers from 0 to 1, the same for the same seed: a counter mixed as in MurmurHash3. */
function randomFrom(seed${type(': number')}) {
  let count = seed << 16;
  return () => {
    let bits = count++;
    bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
    bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
    return ((bits ^ (bits >>> 16)) >>> 0) / 2 ** 32;
  };
}
`;
}

/**
 * Lists what to run next, in the folder of the recipe.
 *
 * @param measure the command that measures a payload: \`compare\` where the packages of pages are missing
 * @returns command lines after `neural-diff`
 */
export function nextCommands(recipe: string, measure: 'report' | 'compare'): string[] {
  const measured = {
    report: `report --base ${BASE_FOLDER} --payload v2.ndiff --recipe ${recipe} -o report`,
    compare: `compare ${BASE_FOLDER} v2.ndiff --recipe ${recipe}`,
  };
  return [
    `train hash --base ${BASE_FOLDER} --recipe ${recipe} --budget 1% -o v2.ndiff`,
    `info v2.ndiff --base ${BASE_FOLDER}`,
    `apply ${BASE_FOLDER} v2.ndiff -o models/v2`,
    measured[measure],
    'keys generate -o release',
    `publish releases --init --key release.key.json --payload v2.ndiff --base ${BASE_FOLDER} --counter 2`,
  ];
}
