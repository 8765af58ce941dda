import type { GridName } from '../../src/model/grids.js';
import { pairedGap, shareOf } from '../../src/report/interval.js';
import type { Precision, PrecisionTotal, Standing } from '../../src/report/precision.js';

const CHOSE = 620;
const TESTED = 1820;

/** @returns what a model reaches that gets some examples wrong which the model as it is gets right */
function standing(total: number, [lost, gained]: readonly [number, number]): Standing {
  const right = Math.round(0.8 * total) - lost + gained;
  return {
    loss: 0.71 + lost / 400,
    accuracy: shareOf(right, total),
    gap: pairedGap({ lost, gained, total }),
    probabilityGap: (lost - gained) / (2 * total),
  };
}

const WAYS: readonly (readonly [PrecisionTotal['way'], number, readonly [number, number]])[] = [
  ['as-is', 600_332, [0, 0]],
  ['float16', 300_166, [0, 0]],
  ['bfloat16', 300_166, [3, 1]],
  ['int8', 158_004, [11, 4]],
  ['mixed', 171_920, [3, 2]],
  ['mixed-int4', 120_777, [4, 2]],
];

const TENSORS: readonly (readonly [string, number[], GridName | undefined, number])[] = [
  ['stem/kernel', [3, 3, 1, 32], undefined, 1_152],
  ['stem/bias', [32], 'float16', 64],
  ['block/kernel', [3, 3, 32, 64], 'int8-channels', 18_688],
  ['table/embeddings', [500, 64], 'int8-tensor', 32_004],
  ['head/kernel', [64, 35], 'bfloat16', 4_480],
];

/** @returns grids of a keyword spotter within 0.3 points */
export function samplePrecision(): Precision {
  return {
    maxGap: 0.003,
    chosenBy: { source: 'validation', examples: CHOSE },
    runs: 34,
    totals: WAYS.map(([way, bytes, flips]) => ({
      way,
      bytes,
      measured: standing(CHOSE, flips),
      isMet: flips[0] - flips[1] <= 0.003 * CHOSE,
      isStorable: way !== 'mixed-int4',
      test: standing(TESTED, [3 * flips[0], 3 * flips[1]]),
    })),
    tensors: TENSORS.map(([tensor, shape, grid, gridBytes]) => ({
      tensor,
      dtype: 'float32',
      shape,
      bytes: 4 * shape.reduce((product, size) => product * size, 1),
      ...(grid && { grid }),
      gridBytes,
      int4Grid: grid?.startsWith('int8') ? ('int4-channels' as const) : 'float16',
      options: [
        { grid: 'float16', bytes: 2 * gridBytes, lossChange: -0.00001 },
        ...(grid && grid !== 'float16' ? [{ grid, bytes: gridBytes, lossChange: 0.0021 }] : []),
        { grid: 'int4-channels', bytes: gridBytes },
      ],
    })),
  };
}
