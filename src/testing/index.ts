export { createClock, type TestClock } from './clock.js';
export { type CutScenario, type CutTally, cutEverywhere } from './cut-everywhere.js';
export { createFaultyDisk, type Faults, type FaultyDisk, PowerCut, type Survival } from './faulty-disk.js';
export { type HostileServer, startHostileServer, type Tricks } from './hostile-server.js';
