import type { Disk } from '../../src/storage/disk.js';
import { type FaultyDisk, PowerCut, type Survival } from './faulty-disk.js';

/** What is cut, and what must hold afterwards. */
export interface CutScenario {
  /** Before the act, all of it durable; copied for every cut. */
  readonly disk: FaultyDisk;
  readonly act: (disk: Disk) => Promise<void>;
  /** Puts things right on what an interruption left. It is cut too, once at every operation of it. */
  readonly recover: (disk: Disk) => Promise<void>;
  /** Throws where things are not right after a recovery. */
  readonly check: (disk: Disk) => Promise<void>;
  /** What of unsynced writes an interruption leaves; each is tried at each operation. */
  readonly survivals: readonly Survival[];
}

/** How much was tried. */
export interface CutTally {
  /** Operations of the act. */
  readonly operations: number;
  /** Disks that were found after an interruption, of the act or of a recovery, and put right. */
  readonly states: number;
}

/**
 * Cuts the power at every operation of an act, and then at every operation of the recovery, which is begun
 * again.
 */
export async function cutEverywhere(scenario: CutScenario): Promise<CutTally> {
  const whole = scenario.disk.clone();
  await scenario.act(whole);
  const operations = whole.log.length;
  let states = 0;
  for (let cutAt = 0; cutAt < operations; cutAt++) {
    const cut = scenario.disk.clone({ cutAt });
    await untilCut(() => scenario.act(cut));
    for (const survival of scenario.survivals)
      states += await putRight(scenario, cut, reseeded(survival, cutAt));
  }
  return { operations, states };
}

/** Another part of the unsynced writes survives at every operation. */
function reseeded(survival: Survival, cutAt: number): Survival {
  return typeof survival === 'string' ? survival : { seed: 1_000_003 * (cutAt + 1) + survival.seed };
}

/** @returns how many disks were put right */
async function putRight(scenario: CutScenario, cut: FaultyDisk, survival: Survival): Promise<number> {
  const found = cut.afterCut(survival);
  const whole = found.clone();
  await scenario.recover(whole);
  const operations = whole.log.length;
  await scenario.check(whole);
  for (let cutAt = 0; cutAt < operations; cutAt++) {
    const again = found.clone({ cutAt });
    await untilCut(() => scenario.recover(again));
    const left = again.afterCut(reseeded(survival, cutAt));
    await scenario.recover(left);
    await scenario.check(left);
  }
  return 1 + operations;
}

/** Nothing but the cut may end what is cut; what hides the cut, having ended well before it, may. */
async function untilCut(run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (!(error instanceof PowerCut)) throw error;
  }
}
