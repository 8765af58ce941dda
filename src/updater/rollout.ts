import { randomId } from '../model/bytes.js';
import { sha256 } from '../model/fingerprint.js';
import { decodeLatin1, encodeUtf8 } from '../model/text.js';
import type { Release } from '../release/find-releases.js';
import { type ReleaseStatement, ROLLOUT_UNITS } from '../release/statement.js';
import { readRecord, writeRecord } from '../storage/disk.js';
import type { StateLocation } from './state.js';

/** Where a device keeps its ID, and the ID that the program gives it. */
type DeviceIdentity = StateLocation & { readonly deviceId?: string | undefined };

/**
 * Finds the releases whose rollout a device is not in: it waits for them, and uses their payloads only on the
 * way to newer ones.
 *
 * The device's place in a release depends on its ID and the release's counter and model alone. Raising the
 * share therefore only adds devices, and each release begins with others.
 *
 * @param device with its ID; without one a random ID is made when it is first needed, and stays on the device
 * @returns the names of these releases
 */
export async function waitingFor(
  releases: readonly Pick<Release, 'statement'>[],
  device: DeviceIdentity,
): Promise<ReadonlySet<string>> {
  const staged = releases.map(({ statement }) => statement).filter((each) => !isForAll(each));
  if (staged.length === 0) return new Set();
  const id = device.deviceId ?? (await readOrCreateId(device));
  const taken = await Promise.all(staged.map((statement) => isIn(statement, id)));
  return new Set(staged.filter((_, i) => !taken[i]).map(({ name }) => name));
}

/** @returns whether a release has no rollout, or one to all devices */
export const isForAll = ({ rollout = ROLLOUT_UNITS }: ReleaseStatement): boolean => rollout === ROLLOUT_UNITS;

/** @returns whether the device with an ID is within the release's share */
async function isIn({ counter, next, rollout = ROLLOUT_UNITS }: ReleaseStatement, id: string) {
  const digest = await sha256(encodeUtf8(`${counter} ${next} ${id}`));
  const place = new DataView(digest.buffer, digest.byteOffset).getUint32(0) / 2 ** 32;
  return place * ROLLOUT_UNITS < rollout;
}

async function readOrCreateId({ disk, folder }: StateLocation): Promise<string> {
  const path = `${folder}/device`;
  const known = await readRecord(disk, path).catch(() => undefined);
  if (known !== undefined) return decodeLatin1(known);
  const id = randomId();
  await writeRecord(disk, path, encodeUtf8(id));
  return id;
}
