import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { NeuralDiffError } from 'neural-diff';
import { listTargets, openHttpSource, type UpdateSource } from 'neural-diff/updater';
import { openMetadataFolder, readIfPresent, readRoot, replaceFile, writeRoot } from './metadata-folder.js';

/** What metadata list of a target. */
interface Target {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** What a run takes from its surroundings. */
export interface ClientContext {
  readonly now: () => Date;
  /** Takes the reason of a failure. */
  readonly log: (text: string) => void;
}

/**
 * Runs one command of the client: `init ROOT`, `refresh` or `download`.
 *
 * @returns the exit status: 0, or 1 for a refusal
 * @throws Error for missing flags, and errors of the file system
 */
export async function runClient(args: readonly string[], { now, log }: ClientContext): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      'metadata-dir': { type: 'string' },
      'metadata-url': { type: 'string' },
      'target-name': { type: 'string' },
      'target-dir': { type: 'string' },
      'target-base-url': { type: 'string' },
      // What earlier versions of the tests call it.
      'target-url': { type: 'string' },
    },
  });
  const flag = (name: keyof typeof values): string => {
    const value = values[name];
    if (value === undefined) throw new TypeError(`Expected --${name}`);
    return value;
  };
  const refresh = async () =>
    listTargets({
      root: await readRoot(flag('metadata-dir')),
      store: openMetadataFolder(flag('metadata-dir')),
      source: openMetadataUrl(flag('metadata-url')),
      now,
    });
  const [command, file = ''] = positionals;
  try {
    if (command === 'init') await writeRoot(flag('metadata-dir'), await readFile(file));
    else if (command === 'refresh') await refresh();
    else if (command === 'download')
      await download((await refresh()).get(flag('target-name')), {
        url: values['target-url'] ?? flag('target-base-url'),
        // Names may hold separators: one file each, in one folder.
        file: join(flag('target-dir'), encodeURIComponent(flag('target-name'))),
      });
    else throw new TypeError(`Expected init ROOT, refresh or download, got "${command}"`);
    return 0;
  } catch (error) {
    if (!(error instanceof NeuralDiffError)) throw error;
    log(`${error.code}: ${error.message}`);
    return 1;
  }
}

/** Sources have one URL for metadata and targets, the command line one for each. */
function openMetadataUrl(url: string): UpdateSource {
  const source = openHttpSource({ url });
  return { ...source, fetch: (path, options) => source.fetch(path.replace(/^metadata\//, ''), options) };
}

/** Downloads a target unless the file is there already. */
async function download(
  target: Target | undefined,
  { url, file }: { readonly url: string; readonly file: string },
): Promise<void> {
  if (target === undefined)
    throw new NeuralDiffError('metadata-missing', 'Cannot download: the repository does not list the target');
  const kept = await readIfPresent(file);
  if (kept && isListed(kept, target)) return;
  const path = target.path.split('/').map(encodeURIComponent).join('/');
  const bytes = await openHttpSource({ url }).fetch(path, { maxBytes: target.bytes });
  if (bytes === undefined)
    throw new NeuralDiffError('network', `Cannot download "${target.path}": the repository does not have it`);
  if (!isListed(bytes, target))
    throw new NeuralDiffError('payload-mismatch', `Cannot use "${target.path}": it is not the listed file`);
  await replaceFile(file, bytes);
}

function isListed(content: Uint8Array, { bytes, sha256 }: Target): boolean {
  return content.length === bytes && createHash('sha256').update(content).digest('hex') === sha256;
}
