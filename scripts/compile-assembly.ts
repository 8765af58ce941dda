import { join } from 'node:path';
import asc from 'assemblyscript/asc';

const ROOT = join(import.meta.dirname, '..', '..');

/**
 * The modules work on memory that is not theirs: they import it and bring no data, so that loading one writes
 * nothing.
 * Relaxed SIMD stays off: its results differ between processors.
 */
const FLAGS = ['-O3', '--converge', '--noAssert', '--runtime', 'stub', '--enable', 'simd'].concat([
  '--importMemory',
  '--noExportMemory',
  '--initialMemory',
  '1',
  '--use',
  'abort=',
]);

/**
 * Compiles AssemblyScript into a WebAssembly module.
 *
 * @param entry path of its source from the project's root
 * @returns the module: it imports a memory, and writes nothing into it on loading
 * @throws Error with what the compiler says
 */
export async function compileAssembly(entry: string): Promise<Uint8Array> {
  let binary: Uint8Array | undefined;
  const { error, stderr } = await asc.main([entry, '--outFile', 'module.wasm', '--baseDir', ROOT, ...FLAGS], {
    writeFile(name, contents) {
      if (name === 'module.wasm') binary = contents as Uint8Array;
    },
  });
  if (error || binary === undefined) throw new Error(`Cannot compile ${entry}:\n${stderr.toString()}`);
  checkModule(entry, binary);
  return binary;
}

/** Sections of a WebAssembly module that hold data segments, and functions to run on loading. */
const [START_SECTION, DATA_SECTION] = [8, 11];

function checkModule(entry: string, binary: Uint8Array): void {
  const module = new WebAssembly.Module(new Uint8Array(binary));
  const imports = WebAssembly.Module.imports(module).map(({ module: from, name }) => `${from}.${name}`);
  if (imports.join() !== 'env.memory')
    throw new Error(`${entry}: expected to import memory alone, got ${imports}`);
  const sections = sectionsOf(binary);
  if (sections.includes(START_SECTION) || sections.includes(DATA_SECTION)) {
    throw new Error(`${entry}: expected no static data: it would be written into memory of others`);
  }
}

/** Source: WebAssembly Core Specification 2.0, section 5.5.2. */
function sectionsOf(binary: Uint8Array): number[] {
  const ids: number[] = [];
  for (let at = 8; at < binary.length; ) {
    ids.push(binary[at++] as number);
    let size = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = binary[at++] as number;
      size += (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    at += size;
  }
  return ids;
}
