import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Engine, type Material, packaged } from './engine.js';
import { output } from './programs.js';
import type { Proof } from './prove.js';

const COMPILER = packaged('hermes-compiler/hermesc/linux64-bin/hermesc');
const HERMES = packaged('hermes-engine-cli/linux64-bin/hermes');

/**
 * Hermes, as React Native uses it. The newest compiler takes what Metro bundles with React Native's preset.
 * Its engine is in no package; the last one that is, of 2022, runs the same bundle with classes and async
 * functions lowered by the same preset.
 */
export const HERMES_ENGINE: Engine = {
  name: 'Hermes',
  needs: [COMPILER, HERMES, packaged('metro')],
  run: runHermes,
};

async function runHermes({ folder }: Material): Promise<Proof> {
  const script = join(import.meta.dirname, 'packages', 'metro.cjs');
  const work = join(folder, 'metro');
  mkdirSync(work, { recursive: true });
  for (const profile of ['hermes-stable', 'default'])
    await output([process.execPath, script, folder, profile, join(work, `${profile}.js`)]);
  await output([
    COMPILER,
    '-O',
    '-emit-binary',
    '-out',
    join(work, 'bundle.hbc'),
    join(work, 'hermes-stable.js'),
  ]);
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
  const program = join(work, 'program.js');
  const cases = JSON.stringify(read('small.json'));
  const run = `prove(${cases}).then(
    function (proof) { print(JSON.stringify(proof)); },
    function (error) { print(JSON.stringify({ kit: [error + error.stack] })); });`;
  writeFileSync(program, `${read('metro/default.js')}\n${run}`);
  return JSON.parse(await output([HERMES, '-Xes6-promise', '-Xmicrotask-queue', program])) as Proof;
}
