import { mkdir } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { openContainer } from '../../src/containers/open-container.js';
import { NeuralDiffError } from '../../src/model/errors.js';
import { openNodeDisk } from '../../src/node/disk.js';
import { withFileErrors } from '../../src/node/file-errors.js';
import { JOURNAL_ENDING } from '../../src/node/open-model.js';
import { checkOutput } from '../../src/node/output.js';
import { findWhole, installWhole, type WholeRelease } from '../../src/updater/pull-release.js';
import type { UpdaterEvent } from '../../src/updater/updater.js';
import { defineCommand } from '../command.js';
import { outputFlags, PROGRESS } from '../flags.js';
import { formatBytes, type Io, printResult, remark } from '../io.js';
import { FOLDER_ENDING, REPOSITORY_FLAGS, repositoryOf } from '../model-updater.js';
import { byteProgress, type ProgressFlags } from '../progress.js';

const { repo, root, deviceClass, channel, deviceId, header } = REPOSITORY_FLAGS;

export const command = defineCommand({
  group: 'Keep a device up to date',
  summary: 'Install the newest whole model from a repository on a device that has none',
  details: [
    'Checks the signatures, the digest and the fingerprint before moving the model into place. After an ' +
      'interruption, the same command resumes the download. From then on, neural-diff update follows the ' +
      'repository.',
  ],
  args: {},
  flags: {
    ...{ repo, root, deviceClass, channel, deviceId, header },
    ...outputFlags('model', 'File to write, or a folder for a file named after the release'),
    progress: PROGRESS,
  },
  examples: [
    {
      description: 'Install a model that update will keep up to date',
      run: 'pull --repo https://example.com/releases --root root.json -o models/keywords',
    },
  ],
  exits: {
    wrongBase: 'The repository has no whole model for this device',
    refused: 'The release is not trusted',
    network: 'The repository cannot be reached',
  },
  async handle(flags, io) {
    const options = await repositoryOf(flags);
    const release = await findWhole(options, { signal: io.signal });
    const { name, next, counter, bytes } = release.statement;
    const path = extname(flags.out) === '' ? join(flags.out, name) : flags.out;
    if (path !== flags.out && !flags.dryRun)
      await withFileErrors(`Cannot make "${flags.out}"`, () => mkdir(flags.out, { recursive: true }));
    if (path === flags.out || !flags.dryRun) await checkOutput(path, flags);
    if (!flags.dryRun) await install(release, { path, options }, { flags, io });
    const json = {
      ...(flags.dryRun && { dryRun: true }),
      out: path,
      name,
      fingerprint: next,
      counter,
      bytes,
    };
    printResult(io, flags, { json, lines: [`${flags.dryRun ? 'would pull' : 'pulled'}: ${next}`] });
    const wrote = flags.dryRun ? 'would write' : 'wrote';
    remark(io, flags, `${wrote} ${path}: release ${counter}, ${formatBytes(bytes)}`);
  },
});

/** Downloads a model, and moves it to its place. */
async function install(
  release: WholeRelease,
  { path, options }: { path: string; options: Awaited<ReturnType<typeof repositoryOf>> },
  { flags, io }: { flags: ProgressFlags; io: Io },
): Promise<void> {
  const progress = byteProgress(io, flags);
  const disk = openNodeDisk(dirname(path));
  const file = basename(path);
  const onEvent = (event: UpdaterEvent): void => {
    if (event.type === 'progress') progress.report(event);
  };
  try {
    if ((await disk.size(file + JOURNAL_ENDING)) !== undefined) throw onTrial(path);
    // The state of the updater that will follow the repository.
    const own = { ...options, onEvent, disk, folder: file + FOLDER_ENDING, openModelFile: openContainer };
    await installWhole(own, release, { signal: io.signal, path: file });
  } finally {
    progress.finish();
    await disk.close();
  }
}

function onTrial(path: string): NeuralDiffError {
  const message = `Cannot replace "${path}": an update of it is not ended; neural-diff doctor --model ${path} shows it`;
  return new NeuralDiffError('on-trial', message);
}
