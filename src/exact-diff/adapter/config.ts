import { NeuralDiffError } from '../../model/errors.js';

/** What the configuration of a LoRA says of its tensors. */
export interface AdapterScaling {
  /** Factor of the product `up × down` of a module, by the rank that its tensors have. */
  scaleOf(module: string, rank: number): number;
  /** Whether modules store their weights as inputs × outputs, as Conv1D of GPT-2 does. */
  readonly isTransposed: boolean;
}

/** Settings under which a sum of the base and a product of two matrices is not what the adapter means. */
const REFUSED_SETTINGS: Readonly<Record<string, string>> = {
  use_dora: 'DoRA',
  use_qalora: 'QA-LoRA',
  use_bdlora: 'BD-LoRA',
  kasa_config: 'KaSA',
  monteclora_config: 'MonteCLoRA',
  arrow_config: 'Arrow',
  lora_bias: 'a bias of lora_B',
  layer_replication: 'replicated layers',
  target_parameters: 'target parameters',
  trainable_token_indices: 'trainable tokens',
  alora_invocation_tokens: 'an activated LoRA',
};

/** Initialisations that change the base, so that the adapter is not for the base as it was published. */
const CHANGED_BASE = /^(pissa|olora|corda|loftq|lora_ga)/i;

/**
 * Reads the `adapter_config.json` of PEFT or of mlx-lm.
 *
 * @param config the parsed JSON
 * @throws NeuralDiffError `unsupported-model` for settings other than a plain LoRA's; `bad-model` for values
 *   of a wrong type
 */
export function readConfig(config: unknown): AdapterScaling {
  if (typeof config !== 'object' || config === null || Array.isArray(config))
    throw invalid('expected a JSON object');
  const settings = config as Readonly<Record<string, unknown>>;
  const refused = Object.keys(REFUSED_SETTINGS).filter((key) => isSet(settings[key]));
  const type = settings.peft_type ?? settings.fine_tune_type ?? 'LORA';
  if (String(type).toUpperCase() !== 'LORA') refused.push('type');
  const init = settings.init_lora_weights;
  if (typeof init === 'string' && CHANGED_BASE.test(init)) refused.push('init_lora_weights');
  if (refused.length > 0) {
    const found = refused.map((key) => {
      if (key === 'type') return `adapters of type ${String(type)}`;
      return REFUSED_SETTINGS[key] ?? `a base changed by init_lora_weights "${String(init)}"`;
    });
    const message = `Cannot import adapter: its configuration asks for ${found.join(', ')}, which is no sum of the base and a low-rank product; merge it with the tool that made it, and diff the models`;
    throw new NeuralDiffError('unsupported-model', message);
  }
  const mlx = settings.lora_parameters;
  if (typeof mlx === 'object' && mlx !== null) {
    const scale = numberIn(mlx as Readonly<Record<string, unknown>>, 'scale');
    return { scaleOf: () => scale, isTransposed: false };
  }
  return peftScaling(settings);
}

/** @returns whether a setting is given and neither false nor empty */
function isSet(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (typeof value === 'object' && value !== null) return Object.keys(value).length > 0;
  return value !== undefined && value !== null && value !== false;
}

/** Source: E. J. Hu et al., "LoRA", 2021 (alpha / r); D. Kalajdzievski, "rsLoRA", 2023 (alpha / sqrt(r)). */
function peftScaling(settings: Readonly<Record<string, unknown>>): AdapterScaling {
  const alpha = numberIn(settings, 'lora_alpha');
  const pattern = settings.alpha_pattern ?? {};
  if (typeof pattern !== 'object') throw invalid('expected alpha_pattern to be an object');
  const alphas = Object.keys(pattern as object).map((key) => ({
    key: plainKey(key),
    alpha: numberIn(pattern as Readonly<Record<string, unknown>>, key),
  }));
  const isRankStabilized = isSet(settings.use_rslora);
  return {
    isTransposed: isSet(settings.fan_in_fan_out),
    scaleOf(module, rank) {
      const own = alphas.find(({ key }) => module === key || module.endsWith(`.${key}`));
      return (own?.alpha ?? alpha) / (isRankStabilized ? Math.sqrt(rank) : rank);
    },
  };
}

/** @returns the name that a pattern stands for; PEFT takes any regular expression */
function plainKey(key: string): string {
  const plain = key.replace(/^\^/, '').replace(/\$$/, '').replaceAll('\\.', '.');
  if (/^[\w.-]+$/.test(plain)) return plain;
  const message = `Cannot import adapter: expected alpha_pattern to name modules, got the pattern "${key}"; write the names out`;
  throw new NeuralDiffError('unsupported-model', message);
}

function numberIn(settings: Readonly<Record<string, unknown>>, key: string): number {
  const value = settings[key];
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw invalid(`expected ${key} to be a number, got ${JSON.stringify(value) ?? 'none'}`);
}

function invalid(what: string): NeuralDiffError {
  return new NeuralDiffError('bad-model', `Cannot read the configuration of the adapter: ${what}`);
}
