import { writeSafetensors } from '../containers/write-safetensors.js';
import { ecdsaKey, sampleStatement, TestRepository, targetOf } from '../release/maker.js';
import { Fleet } from '../updater/fleet.js';
import { kitCases } from './kit-cases.js';
import type { Cases } from './prove.js';

/** Engines that interpret are spared models of more bytes than this. */
const SMALL_BYTES = 10_000;

/**
 * @param size `small` leaves out cases with large models
 * @returns JSON of what every engine runs
 */
export async function writeCases(size: 'all' | 'small'): Promise<string> {
  const isSmall = ({ base }: Cases['kit'][number]): boolean =>
    base.tensors.reduce((sum, { bytes }) => sum + bytes.length, 0) < SMALL_BYTES;
  const kit = kitCases().filter((each) => size === 'all' || isSmall(each));
  const cases: Cases = { kit, update: await makeUpdate(), trust: makeTrust() };
  return JSON.stringify(cases, (_, each) =>
    each instanceof Uint8Array ? { hex: Buffer.from(each).toString('hex') } : each,
  );
}

async function makeUpdate(): Promise<Cases['update']> {
  const fleet = await Fleet.start(2);
  await fleet.release(1);
  const { files } = fleet.publisher.files;
  const [base, next] = [fleet.version(0), fleet.version(1)];
  return {
    root: files.get('metadata/1.root.json') as Uint8Array,
    files: [...files],
    now: fleet.publisher.clock.now().toISOString(),
    model: writeSafetensors(base.model),
    base: base.name,
    next: next.name,
  };
}

/** @returns a repository that is signed with ECDSA, and the same with one bit changed */
function makeTrust(): Cases['trust'] {
  const repository = new TestRepository();
  for (const role of ['root', 'timestamp', 'targets'] as const)
    repository.roles[role] = { keys: [ecdsaKey()], threshold: 1 };
  repository.addRoot({ version: 1 });
  repository.publish(targetOf(sampleStatement()));
  const now = repository.clock.now().toISOString();
  const root = repository.files.get('1.root.json') as Uint8Array;
  const files = [...repository.files].map(([name, bytes]) => [`metadata/${name}`, bytes] as const);
  const forged = files.map(
    ([name, bytes]) => [name, name.endsWith('timestamp.json') ? flip(bytes) : bytes] as const,
  );
  return [
    { root, files, now, expected: 'v2.ndiff' },
    { root: flip(root), files, now, expected: 'signature-invalid' },
    { root, files: forged, now, expected: 'signature-invalid' },
  ];
}

/** Changes the last digit of the first signature. */
function flip(bytes: Uint8Array): Uint8Array {
  const text = new TextDecoder().decode(bytes);
  const changed = text.replace(
    /"sig":"([0-9a-f]*)([0-9a-f])"/,
    (_, start, last) => `"sig":"${start}${last === '0' ? 1 : 0}"`,
  );
  return new TextEncoder().encode(changed);
}
