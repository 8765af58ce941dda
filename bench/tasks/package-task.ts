import type { Split } from '../../examples/common/staged-examples.js';
import type { BenchTask, TaskData } from './task.js';

/** A task whose data come from a package, whole or a share of them. */
interface PackageTask
  extends Pick<BenchTask, 'name' | 'title'>,
    Pick<TaskData, 'baseTraining' | 'fineTuning' | 'diffEpochs'> {
  /** What comes from the package, for the refusal of a folder: `Cannot load intents: they come`. */
  readonly refusal: string;
  /** Share of the data in a short run. */
  readonly quickShare: number;
  readonly loadData: (options: { seed: number; share: number; signal?: AbortSignal }) => Promise<{
    readonly labels: readonly string[];
    readonly stages: readonly Split[];
    readonly adds: readonly string[];
  }>;
  /** @returns an untrained model with some outputs, its weights fixed by a seed */
  readonly create: (classes: number, seed: number) => ReturnType<TaskData['createModel']>;
}

/** Makes a task of the data of a package. */
export function packageTask(task: PackageTask): BenchTask {
  const { name, title, baseTraining, fineTuning, diffEpochs, refusal, quickShare, loadData, create } = task;
  return {
    name,
    title,
    async load({ seed, data, quick, signal, onProgress }) {
      if (data !== undefined) throw new RangeError(`${refusal} from a package, not a folder`);
      const share = quick ? quickShare : 1;
      const { labels, stages, adds } = await loadData({ seed, share, ...(signal && { signal }) });
      const last = stages.at(-1);
      const count = last === undefined ? 0 : last.train.count + last.validation.count + last.test.count;
      onProgress?.(count, count);
      return {
        labels,
        classes: labels.length,
        baseTraining,
        fineTuning,
        diffEpochs,
        stages: stages.map((stage, i) => ({ ...stage, adds: adds[i] as string })),
        createModel: (modelSeed) => create(labels.length, modelSeed),
      };
    },
  };
}
