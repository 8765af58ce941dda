import { createHash } from 'node:crypto';
import { deserialize, serialize } from 'node:v8';
import { awaitJobs, type Farm } from '../../farm/await-jobs.js';
import type { NetworkSpec } from '../../farm/job-spec.js';
import { packRecipe } from '../../farm/pack-job.js';
import type { FarmStore, JobResult } from '../../farm/store.js';
import { keyOf } from '../space.js';
import type { TrialRunner } from './search.js';
import type { TrialProduct, TrialRequest } from './worker.js';

/**
 * Keeps networks that another runner trains, and the states of those that it has begun.
 *
 * @param store of this search alone: its recipe is not looked at
 * @returns a runner that trains only what the store does not have
 */
export function keepTrials(run: TrialRunner, store: FarmStore): TrialRunner {
  return async (requests, onEnd) => {
    const missing: number[] = [];
    for (const [place, request] of requests.entries()) {
      const result = await store.readResult(idOf(request));
      if (result) await onEnd(await readProduct(store, result), place);
      else missing.push(place);
    }
    const left = missing.map((place): TrialRequest => {
      const request = requests[place] as TrialRequest;
      return { ...request, checkpoints: { store: store.address, id: idOf(request) } };
    });
    await run(left, async (ended, i) => {
      if (!(ended instanceof Error)) {
        const facts = { metrics: ended.metrics };
        const kept = { content: serialize(ended), facts, seconds: 0, log: [] };
        await store.keepResult(idOf(left[i] as TrialRequest), kept);
      }
      await onEnd(ended, missing[i] as number);
    });
  };
}

/** @returns a runner that queues networks for the workers of a farm */
export function farmTrials(farm: Farm, version: string): TrialRunner {
  let packed: Promise<NetworkSpec['recipe']> | undefined;
  return async ([first, ...others], onEnd) => {
    if (first === undefined) return;
    // All requests of a search are of one recipe, as it was at the start.
    packed ??= packRecipe(first.recipe, farm.store);
    const about = { format: 'neural-diff job', version: 1, package: version, type: 'network' } as const;
    const recipe = await packed;
    const specs = [first, ...others].map(({ checkpoints: _checkpoints, ...request }): NetworkSpec => {
      return { ...about, ...request, recipe };
    });
    await awaitJobs(specs, {
      ...farm,
      async onResult(result, places) {
        const ended = result instanceof Error ? result : await readProduct(farm.store, result);
        for (const place of places) await onEnd(ended, place);
      },
    });
  };
}

function idOf({ configuration, epochs, learningRate, seed, backend }: TrialRequest): string {
  const all = [keyOf(configuration), epochs, learningRate, seed, backend];
  return createHash('sha256').update(JSON.stringify(all)).digest('hex');
}

async function readProduct(store: FarmStore, { product }: JobResult): Promise<TrialProduct> {
  return deserialize(await store.get(product));
}
