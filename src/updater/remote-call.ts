import type { Failure } from '../model/errors.js';
import type { UpdaterEvent } from './updater.js';

/** Marks messages of updaters among others between a page and its worker; prefix of locks and channels. */
export const MARK = 'neural-diff/updater';

/** Name of an updater where a worker serves one only. */
export const DEFAULT_NAME = 'model';

/** Methods of an updater that pages call. */
export const METHODS = [
  'start',
  'recover',
  'status',
  'check',
  'update',
  'history',
  'confirm',
  'rollback',
] as const;
export type Method = (typeof METHODS)[number];

/** A call, as a page sends it; answers come through a port of its own. */
export interface Call {
  readonly mark: typeof MARK;
  readonly name: string;
  /** Begins with the ID of the connection; also names the lock that the worker holds during the call. */
  readonly id: string;
  readonly method: Method;
  readonly args: readonly unknown[];
}

/** What a worker sends through the port of a call. */
export type Answer =
  | { readonly type: 'begun' | 'aborted' }
  | { readonly type: 'event'; readonly event: UpdaterEvent }
  | { readonly type: 'done'; readonly value: unknown }
  | { readonly type: 'failed'; readonly failure: Failure };

/** What a worker tells all pages: an event, and the IDs of calls whose pages have it already. */
export interface Broadcast {
  readonly event: UpdaterEvent;
  readonly calls: readonly string[];
}

/** @returns the channel between all pages and workers of an origin; undefined in browsers without */
export function channelOf(name: string): BroadcastChannel | undefined {
  return typeof BroadcastChannel === 'undefined' ? undefined : new BroadcastChannel(`${MARK}/${name}`);
}

/** @returns the locks of an origin; undefined where there are none, as in Node.js 20 */
export function locksOf(): LockManager | undefined {
  return globalThis.navigator?.locks;
}
