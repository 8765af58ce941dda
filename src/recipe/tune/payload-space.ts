import type { TrainingJob } from '../job.js';
import { DIFF_KINDS, type DiffKind, mergeOptions, type RecipeOptions } from '../options.js';
import type { PlannedTrial } from './goal.js';
import type { Choice, Configuration, Space } from './space.js';

/** What both kinds of diff can choose; `default` is what `train` would do, by the recipe or by itself. */
const SHARED: readonly Choice[] = [
  { name: 'kind', values: DIFF_KINDS },
  { name: 'epochs', values: [1, 2] },
  { name: 'learningRate', values: ['default', 0.05, 0.07, 0.15] },
  { name: 'temperature', values: ['default', 1, 4] },
  { name: 'distillation', values: ['default', 0.5, 0.85] },
  { name: 'denseRate', values: ['default', 0.8, 2] },
];

const OF_HASH: readonly Choice[] = [
  { name: 'zeros', values: ['default', 0.35, 0.65], when: { name: 'kind', values: ['hash'] } },
  { name: 'block', values: ['default', 2, 4, 16], when: { name: 'kind', values: ['hash'] } },
  { name: 'scales', values: ['default', 'shared'], when: { name: 'kind', values: ['hash'] } },
];

const OF_SPARSE: readonly Choice[] = [
  { name: 'selection', values: ['default', 'anneal'], when: { name: 'kind', values: ['sparse'] } },
  { name: 'bits', values: ['default', 2, 4], when: { name: 'kind', values: ['sparse'] } },
];

/** Shares of the largest payload: worth a choice where the smallest payload is looked for. */
const SIZE: Choice = { name: 'size', values: [1, 0.7, 0.5, 0.35, 0.25] };

/**
 * The configurations of payloads that are worth a trial. Values that never won in a bench are not among
 * them: floats and signs as buckets, saliency by magnitude, masks of equal density, other optimisers.
 *
 * @param kinds those to choose from
 * @param isSizeFree whether smaller payloads than the limit are looked for
 */
export function payloadSpace({
  kinds = DIFF_KINDS,
  isSizeFree,
}: {
  readonly kinds?: readonly DiffKind[] | undefined;
  readonly isSizeFree: boolean;
}): Space {
  const shared = SHARED.map((choice) => (choice.name === 'kind' ? { ...choice, values: kinds } : choice));
  const size = isSizeFree ? [SIZE] : [];
  const own = [...OF_HASH, ...OF_SPARSE].filter(({ when }) =>
    when?.values.some((kind) => kinds.includes(kind as DiffKind)),
  );
  return { choices: [...shared, ...size, ...own] };
}

/**
 * @param job what all trials share
 * @param recipe options of the recipe, whose epochs are scaled
 * @returns the training job of a trial
 */
export function jobOf(
  { configuration, fidelity }: PlannedTrial,
  {
    job,
    recipe,
    mostBytes,
  }: {
    readonly job: Omit<TrainingJob, 'kind' | 'budget'>;
    readonly recipe: RecipeOptions;
    readonly mostBytes: number;
  },
): TrainingJob {
  const usual = mergeOptions(recipe, job.options ?? {});
  const options = mergeOptions(job.options ?? {}, {
    epochScale: (usual.epochScale ?? 1) * Number(configuration.epochs) * fidelity,
    ...optionsOf(configuration, usual),
  });
  const size = Number(configuration.size ?? 1);
  const kind = configuration.kind as DiffKind;
  return { ...job, kind, budget: Math.max(1, Math.floor(size * mostBytes)), options };
}

/** @returns options of a configuration; defaults are left to the recipe and the trainers */
function optionsOf(of: Configuration, { distillation = {} }: RecipeOptions): RecipeOptions {
  const set = (name: string, as = name): object => {
    const value = of[name];
    return value === undefined || value === 'default' ? {} : { [as]: value };
  };
  const setAll = (...names: string[]): object => Object.assign({}, ...names.map((name) => set(name)));
  const teaching = { ...set('distillation', 'weight'), ...set('temperature') };
  return {
    ...setAll('learningRate', 'denseRate'),
    ...(distillation !== false && { distillation: { ...distillation, ...teaching } }),
    ...(of.kind === 'hash' && { hash: setAll('zeros', 'block', 'scales') }),
    ...(of.kind === 'sparse' && { sparse: setAll('selection', 'bits') }),
  };
}
