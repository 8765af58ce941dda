import { NeuralDiffError } from '../../model/errors.js';
import type { TensorInfo } from '../../model/tensor.js';

/** The two matrices of a module, under whatever names. */
export interface AdapterPair {
  /** Name of the module in the adapter, without prefixes of the format. */
  readonly module: string;
  /** Rank × inputs; the other way round for mlx. */
  readonly down: TensorInfo;
  /** Outputs × rank; the other way round for mlx. */
  readonly up: TensorInfo;
  /** A scalar, in files of kohya-ss. */
  readonly alpha: TensorInfo | undefined;
  /** Whether the module is an embedding, whose weights are inputs × outputs. */
  readonly isEmbedding: boolean;
  /** Whether both matrices are stored transposed, as mlx does. */
  readonly isSwapped: boolean;
}

/** The tensors of an adapter by what they are for. */
export interface AdapterTensors {
  readonly pairs: readonly AdapterPair[];
  /** Tensors that replace those of the base, with their names there. */
  readonly whole: readonly { readonly name: string; readonly info: TensorInfo }[];
  /** Whether the names are those of PEFT or mlx, whose scales are in a configuration. */
  readonly needsConfig: boolean;
}

/** Endings of a pair's names, the lower matrix first; those of PEFT, diffusers, kohya-ss and mlx. */
const ENDINGS = [
  ['lora_A', 'lora_B'],
  ['lora_embedding_A', 'lora_embedding_B'],
  ['lora_down', 'lora_up'],
  ['lora.down', 'lora.up'],
  ['lora_linear_layer.down', 'lora_linear_layer.up'],
  ['lora_a', 'lora_b'],
] as const;

/** Tensors of adapters that are more than a pair. */
const OTHER_KINDS = /lora_magnitude_vector|dora_scale/;

const PEFT_PREFIX = 'base_model.model.';

/** Prefixes of kohya-ss, whose names have `_` in place of `.`. */
const FLAT_PREFIX = /^lora_(unet|transformer|te\d?|text_encoder)_/;

interface Half {
  readonly module: string;
  readonly ending: (typeof ENDINGS)[number];
  readonly isUp: boolean;
}

/**
 * Sorts the tensors of an adapter.
 *
 * @throws NeuralDiffError `unsupported-model` for DoRA; `bad-model` for half a pair and for no pair at all
 */
export function sortTensors(infos: readonly TensorInfo[]): AdapterTensors {
  const dora = infos.find(({ name }) => OTHER_KINDS.test(name));
  if (dora) {
    const message = `Cannot import adapter: "${dora.name}" is of DoRA, which is no sum of the base and a low-rank product; merge it with the tool that made it, and diff the models`;
    throw new NeuralDiffError('unsupported-model', message);
  }
  const halves = new Map<string, { down?: TensorInfo; up?: TensorInfo; half: Half }>();
  const alphas = new Map<string, TensorInfo>();
  const whole: { name: string; info: TensorInfo }[] = [];
  for (const info of infos) {
    const half = readHalf(info.name);
    if (half) {
      const found = halves.get(half.module) ?? { half };
      halves.set(half.module, { ...found, [half.isUp ? 'up' : 'down']: info });
    } else if (info.name.endsWith('.alpha')) alphas.set(moduleName(info.name.slice(0, -6)), info);
    else whole.push({ name: wholeName(info.name), info });
  }
  const pairs = [...halves].map(([module, { down, up, half }]): AdapterPair => {
    if (down === undefined || up === undefined) throw incomplete(down ?? (up as TensorInfo));
    const [ending] = half.ending;
    const isEmbedding = ending === 'lora_embedding_A';
    return { module, down, up, alpha: alphas.get(module), isEmbedding, isSwapped: ending === 'lora_a' };
  });
  if (pairs.length === 0) throw noPairs(infos);
  const needsConfig = [...halves.values()].some(
    ({ half, down }) => half.ending[0] === 'lora_a' || down?.name.startsWith(PEFT_PREFIX),
  );
  return { pairs, whole, needsConfig };
}

function readHalf(name: string): Half | undefined {
  const plain = name.replace(/\.weight$/, '').replace(/\.default$/, '');
  for (const ending of ENDINGS)
    for (const [i, end] of ending.entries())
      if (plain.endsWith(`.${end}`))
        return { module: moduleName(plain.slice(0, -end.length - 1)), ending, isUp: i === 1 };
  return undefined;
}

function moduleName(name: string): string {
  const plain = name.startsWith(PEFT_PREFIX) ? name.slice(PEFT_PREFIX.length) : name;
  return plain.replace(FLAT_PREFIX, '');
}

/** Modules that were trained whole, and biases: PEFT wraps some of them. */
function wholeName(name: string): string {
  return moduleName(name)
    .replace(/\.(modules_to_save|original_module)(\.default)?\./, '.')
    .replace('.base_layer.', '.');
}

function incomplete({ name }: TensorInfo): NeuralDiffError {
  return new NeuralDiffError('bad-model', `Cannot import adapter: the counterpart of "${name}" is missing`);
}

function noPairs(infos: readonly TensorInfo[]): NeuralDiffError {
  const some = infos.slice(0, 3).map(({ name }) => `"${name}"`);
  const message = `Cannot import adapter: expected tensors named like "NAME.lora_A.weight" and "NAME.lora_B.weight", or "lora_down" and "lora_up", got ${some.join(', ') || 'none'}`;
  return new NeuralDiffError('bad-model', message);
}
