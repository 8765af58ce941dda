import type * as tf from '@tensorflow/tfjs';
import { alignColumns, percent } from '../common/table.js';
import type { StageSets } from './data.js';
import type { Score } from './decode.js';
import { chooseThreshold, hearStreams, rightShare, scoreStreams } from './measure.js';
import { frameCosts, type StreamNetwork } from './model.js';
import type { LivePlay } from './play-live.js';

/** How a model does on streams with the words and the accent of the update; shares are fractions of 1. */
export interface ModelRow {
  /** Of the model's weights, or of the payload. */
  readonly bytes: number;
  /** Frames whose most probable class is right. */
  readonly frames: number;
  /** Keywords that were heard. */
  readonly hits: number;
  /** Frames in which the full branch ran. */
  readonly fullShare: number;
  /** Of that of the full branch in every frame. */
  readonly computation: number;
}

/** What the demo prints with `--json`. */
export interface StreamingResult {
  readonly weights: number;
  readonly threshold: number;
  readonly base: ModelRow;
  readonly updated: ModelRow;
  /** The sound that was played while the payload was applied. */
  readonly live: Omit<LivePlay, 'applied'>;
  /** Whether the patched weights carry the fingerprint that the trainer measured. */
  readonly bitExact: boolean;
}

/** Time of the full path in frames: a thread that keeps up. */
const LOAD = 0.5;

/** @returns the threshold of the decoder that is best for a model on validation data */
export function thresholdFor(model: tf.LayersModel, { validation }: StageSets): number {
  return chooseThreshold(hearStreams(model, validation, { loads: [LOAD] }).probabilities, validation)
    .threshold;
}

/** Measures a model on test streams, on a thread that keeps up. */
export function measureModel(
  model: tf.LayersModel,
  { test }: StageSets,
  { network, threshold, bytes }: { network: StreamNetwork; threshold: number; bytes: number },
): ModelRow {
  const { probabilities, full } = hearStreams(model, test, { loads: [LOAD] });
  const { hits, spoken } = scoreStreams(probabilities, test, threshold);
  const fullShare = full.reduce((sum, ran) => sum + ran, 0) / full.length;
  const costs = frameCosts(network);
  const branch = fullShare * costs.full + (1 - fullShare) * costs.fast;
  const computation = (branch + costs.arbitrator + costs.words) / (costs.full + costs.words);
  return {
    bytes,
    frames: rightShare(probabilities, test.labels),
    hits: hits / spoken,
    fullShare,
    computation,
  };
}

/** Lays a result out for people. */
export function formatStreaming({ weights, base, updated, live, bitExact }: StreamingResult): string {
  const row = (name: string, model: ModelRow, heard: Score): string[] => [
    name,
    `${model.bytes}`,
    percent(model.frames),
    percent(model.hits),
    percent(model.fullShare),
    percent(model.computation),
    `${heard.hits} of ${heard.spoken}`,
  ];
  const table = alignColumns([
    ['', 'bytes', 'frames right', 'hits', 'full branch', 'computation', 'heard live'],
    row('base', base, live.before),
    row('updated', updated, live.after),
  ]);
  const facts = [
    `frames      ${live.received} arrived, ${live.processed} recognised, ${live.dropped} dropped`,
    `update      ${live.updateMs.toFixed(0)} ms; ${live.whileChecked} frames recognised during its checks, at most ${live.mostWaiting} waited`,
    `bit exact   ${bitExact ? 'yes' : 'NO'}`,
  ];
  return `\n${weights} weights; streams with the words and the accent of the update\n\n${table}\n\n${facts.join('\n')}\n`;
}
