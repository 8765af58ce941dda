import { deviationOf, meanOf } from '../accuracy/result.js';
import type { Unit } from '../common/prepare.js';
import type { Goal } from '../common/report.js';

/** What one way to update a model has, as a device stores it. */
export interface GridPoint {
  readonly device: string;
  readonly method: string;
  /** Of the payload; null for whole models. */
  readonly bytes: number | null;
  readonly accuracy: number;
}

/** What one task gave with one seed. */
export interface GridResult extends Unit {
  readonly points: readonly GridPoint[];
}

/** A row of the table: means over the seeds. */
export interface GridRow {
  readonly task: string;
  readonly device: string;
  readonly method: string;
  readonly seeds: number;
  readonly bytes: number | null;
  readonly mean: number;
  readonly deviation: number;
  /** Behind the full fine-tune that is rounded for the device. */
  readonly gap: number;
  readonly [column: string]: string | number | null;
}

export const FULL = 'full fine-tune, rounded';

/** @returns a row for every device and method of one task */
export function rowsOf(results: readonly GridResult[]): GridRow[] {
  const [first] = results as [GridResult];
  const pointOf = ({ points }: GridResult, device: string, method: string): GridPoint =>
    points.find((point) => point.device === device && point.method === method) as GridPoint;
  return first.points.map(({ device, method }): GridRow => {
    const own = results.map((result) => pointOf(result, device, method));
    const full = results.map((result) => pointOf(result, device, FULL).accuracy);
    const accuracies = own.map(({ accuracy }) => accuracy);
    return {
      task: first.task,
      device,
      method,
      seeds: results.length,
      bytes: own[0]?.bytes == null ? null : meanOf(own.map(({ bytes }) => bytes as number)),
      mean: meanOf(accuracies),
      deviation: deviationOf(accuracies),
      gap: meanOf(full.map((accuracy, i) => accuracy - (accuracies[i] as number))),
    };
  });
}

/**
 * @returns by how much diffs trained on a device's grid lead those that are rounded to it, by task, device
 * and kind
 */
export function goalsOf(rows: readonly GridRow[]): Goal[] {
  return rows.flatMap(({ task, device, method, mean }): Goal[] => {
    if (!method.endsWith(', trained on the grid')) return [];
    const [kind] = method.split(',') as [string];
    const rounded = rows.find((row) => row.device === device && row.method === `${kind}, rounded`);
    const lead = mean - (rounded?.mean ?? Number.NaN);
    return [{ id: `grids.${task}.${device}.${kind}-lead`, value: lead, goal: 0, better: 'higher' }];
  });
}
