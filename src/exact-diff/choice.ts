import { DTYPES, elementCount, type TensorInfo } from '../model/index.js';
import { type ChosenHead, HeadTrials, SetTrial } from '../payload/encode.js';
import type { BytePair } from './borrow-pairs.js';
import { type DifferencesRoom, differences } from './differences.js';
import type { ChangedTensor } from './lane.js';

/** A tensor that differs, and how that is coded: by differences, or by the elements as they are to be. */
export interface CodedTensor {
  readonly kind: 'exact' | 'set';
  readonly info: TensorInfo;
  readonly head: ChosenHead['head'];
  /** Bytes that it takes, about. */
  readonly bytes: number;
}

/** Codes pieces of a tensor in all ways: the shortest is taken, differences where others are no shorter. */
export class Choice {
  readonly #tensor: ChangedTensor;
  readonly #room: DifferencesRoom;
  readonly #heads: HeadTrials;
  readonly #set = new SetTrial();
  /** Elements of pieces, and how many of them differ. */
  #tried = 0;
  #changed = 0;

  constructor(tensor: ChangedTensor, room: DifferencesRoom) {
    this.#tensor = tensor;
    this.#room = room;
    this.#heads = new HeadTrials(tensor.info, { kind: 'exact', scale: 1, count: tensor.count });
  }

  /** @param info a piece, as a tensor of its own */
  take(info: TensorInfo, { before, after }: BytePair): void {
    const elements = after.length / DTYPES[info.dtype].bytes;
    const values = differences(info, { before, after, first: 0 }, this.#room.atLeast(elements));
    this.#heads.add({ info, values });
    this.#set.add(info, after);
    this.#tried += elements;
    this.#changed += values.positions.length;
  }

  finish(): CodedTensor {
    const { info, count } = this.#tensor;
    const { head, bits } = this.#heads.best();
    const share = elementCount(info) / this.#tried;
    if (bits > this.#set.bits) return { kind: 'set', info, head, bytes: (this.#set.bits / 8) * share };
    // Changes may lie where the pieces do.
    const changes = this.#changed > 0 ? Math.min(share, count / this.#changed) : share;
    return { kind: 'exact', info, head, bytes: (bits / 8) * changes };
  }
}
