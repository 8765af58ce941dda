import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A model file of a package on the npm registry. */
interface PublishedFile {
  /** `name@version`. */
  readonly release: string;
  readonly path: string;
  readonly sha256: string;
}

/** Two model files that a publisher shipped. */
export interface Release {
  readonly name: string;
  readonly base: string;
  readonly next: string;
}

const RELEASES: readonly { name: string; base: PublishedFile; next: PublishedFile }[] = [
  {
    name: 'openwakeword-js 0.1.27: one wake word to another',
    base: {
      release: 'openwakeword-js@0.1.27',
      path: 'models/hello_deepa_old.onnx',
      sha256: '209efb6183c5',
    },
    next: { release: 'openwakeword-js@0.1.27', path: 'models/namaste_deepa.onnx', sha256: 'b08e3bd23fb9' },
  },
  {
    name: 'vad-web 0.0.6 to 0.0.24: the same weights',
    base: {
      release: '@ricky0123/vad-web@0.0.6',
      path: 'dist/silero_vad.onnx',
      sha256: 'a35ebf52fd3c',
    },
    next: {
      release: '@ricky0123/vad-web@0.0.24',
      path: 'dist/silero_vad_legacy.onnx',
      sha256: 'a35ebf52fd3c',
    },
  },
];

/**
 * Fetches published models with `npm pack`.
 *
 * @param folder for what is fetched
 * @param say takes a line for people about what could not be fetched
 * @returns what could be had: nothing without the registry
 * @throws Error where a file is not the one that was published
 */
export function fetchReleases(folder: string, say: (text: string) => void): Release[] {
  return RELEASES.flatMap(({ name, base, next }) => {
    const [from, to] = [base, next].map((file) => fetchFile(folder, file));
    if (from !== undefined && to !== undefined) return { name, base: from, next: to };
    say(`skipped ${name}: npm pack cannot fetch it`);
    return [];
  });
}

function fetchFile(folder: string, { release, path, sha256 }: PublishedFile): string | undefined {
  const into = join(folder, release.replaceAll('/', '-'));
  mkdirSync(into, { recursive: true });
  const packed = spawnSync('npm', ['pack', '--silent', '--pack-destination', into, release]);
  if (packed.error || packed.status !== 0) return undefined;
  const archive = join(into, packed.stdout.toString().trim());
  const unpacked = spawnSync('tar', ['-xzf', archive, '-C', into]);
  if (unpacked.error || unpacked.status !== 0) throw new Error(`Cannot unpack ${release}`);
  const file = join(into, 'package', path);
  const found = createHash('sha256').update(readFileSync(file)).digest('hex');
  if (!found.startsWith(sha256)) throw new Error(`${path} of ${release} is not what was published`);
  return file;
}
