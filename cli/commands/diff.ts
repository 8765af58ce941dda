import { diffStores } from '../../src/exact-diff/diff-stores.js';
import { createDiffThreads } from '../../src/exact-diff/threads/diff-threads.js';
import { compressedSize } from '../../src/node/compressed.js';
import { createFileSpool } from '../../src/node/file-spool.js';
import { type DiffFlags, finishDiff, withDiffJob } from '../diff-job.js';
import { formatShare, type Io } from '../io.js';
import { checkWorkers } from '../workers.js';

/** Flags of `neural-diff diff` when it may lose nothing. */
export interface ExactFlags extends DiffFlags {
  readonly workers?: number;
}

/** Packs what makes one model of another, bit for bit, and says whether that pays beside the compressed next model. */
export async function runDiff(flags: ExactFlags, io: Io): Promise<void> {
  checkWorkers(flags.workers);
  // Threads begin when there is work for them.
  const coder = flags.workers === 1 ? undefined : createDiffThreads({ count: flags.workers });
  await withDiffJob(flags, io, async (job) => {
    const { base, match, work } = job;
    // Before the diff, whose arrays would still take memory.
    const full = await compressedSize(match.store, work.signal);
    const spool = createFileSpool(flags.out);
    try {
      const options = { ...work, spool, coder };
      const { pieces, payloadBytes, ...found } = await diffStores(base, match.store, options);
      const end = (saving: number): string[] => [
        `changed    ${found.changedWeights} weights in ${found.changedTensors} of ${base.tensors.length} tensors`,
        `base       ${found.base}`,
        `next       ${found.next}`,
        saving > 0
          ? `ship the diff: it saves ${formatShare(saving)}`
          : 'ship the full model: the diff is no smaller',
      ];
      const result = { content: pieces, payloadBytes, full, json: found, lines: { sizes: [], end } };
      await finishDiff(job, result, { flags, io });
    } finally {
      // What they still write goes into the spool.
      await coder?.close();
      spool.close();
    }
  });
}
