export { type CutScenario, type CutTally, cutEverywhere } from './cut-everywhere.js';
export { createFaultyDisk, type Faults, type FaultyDisk, PowerCut, type Survival } from './faulty-disk.js';
