import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadKeywordData } from '../../../examples/keyword-spotting/data.js';
import {
  parseRecordingName,
  RecordingError,
  readRecordings,
} from '../../../examples/keyword-spotting/recordings.js';
import { pcm16, wavBytes } from './wav-bytes.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'recordings-'));
});
afterEach(() => rm(folder, { recursive: true }));

const sound = (hertz: number) => {
  const samples = Array.from({ length: 4_000 }, (_, index) => 9_000 * Math.sin((index * hertz) / 1_273));
  return wavBytes({ data: pcm16(samples) });
};

/** Writes takes 3 to 7: two of them test, three train. */
async function record(label: string, speaker: string): Promise<void> {
  for (let take = 3; take < 8; take += 1) {
    await writeFile(join(folder, `${label}_${speaker}_${take}.wav`), sound(300 + 50 * take));
  }
}

const refusal = async (speakers: string[][]) => {
  const error = await readRecordings({ folder, speakers, seed: 1 }).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(RecordingError);
  return (error as RecordingError).code;
};

describe('parseRecordingName()', () => {
  it('reads label, speaker and take', () => {
    expect(parseRecordingName('seven_ada_12.wav')).toEqual({ label: 'seven', speaker: 'ada', take: 12 });
    expect(parseRecordingName('7_ada_0.WAV')).toEqual({ label: '7', speaker: 'ada', take: 0 });
  });

  it.each(['seven.wav', 'seven_ada.wav', 'a_b_c_1.wav', 'seven_ada_x.wav', '_ada_1.wav', 'seven_ada_1.ogg'])(
    'refuses "%s"',
    (file) => {
      expect(() => parseRecordingName(file)).toThrow(RecordingError);
    },
  );
});

describe('loadKeywordData() from recordings', () => {
  it('keeps takes for choices from training when asked to', async () => {
    for (const name of ['ada', 'bob']) await record('yes', name);
    const recordings = { folder, speakers: [['ada'], ['bob']], validationTakes: 2 };
    const { stages } = await loadKeywordData({ recordings });
    const counts = stages.map(({ train, validation, test }) => [train.count, validation.count, test.count]);
    expect(counts).toEqual([
      [1, 2, 2],
      [2, 4, 4],
    ]);
  });

  it('serves a base and successive updates, takes 0 to 4 for testing', async () => {
    for (const label of ['no', 'yes']) for (const name of ['ada', 'bob', 'cyd']) await record(label, name);
    await record('maybe', 'bob');
    await writeFile(join(folder, 'README.md'), 'not sound');
    const speakers = [['ada'], ['bob'], ['cyd']];
    const data = await loadKeywordData({ recordings: { folder, speakers } });
    expect(data.labels).toEqual(['no', 'yes', 'maybe']);
    expect(data.stages.map(({ train, test }) => [train.count, test.count])).toEqual([
      [6, 4],
      [15, 10],
      [21, 14],
    ]);
    expect([data.base, data.update]).toEqual(data.stages.slice(0, 2));
    expect(Math.max(...data.base.train.labels)).toBe(1);
    expect(await loadKeywordData({ recordings: { folder, speakers } })).toEqual(data);
  });

  it('refuses a single stage', async () => {
    await record('no', 'ada');
    await expect(loadKeywordData({ recordings: { folder, speakers: [['ada']] } })).rejects.toThrow(
      RangeError,
    );
  });
});

describe('readRecordings()', () => {
  it('leaves other speakers alone', async () => {
    await record('no', 'ada');
    await record('yes', 'bob');
    const clips = await readRecordings({ folder, speakers: [['bob']], seed: 1 });
    expect([clips.labels, clips.facts.length]).toEqual([['yes'], 5]);
  });

  it('refuses a speaker without training and test takes', async () => {
    await record('no', 'ada');
    await writeFile(join(folder, 'no_bob_1.wav'), sound(300));
    expect(await refusal([['ada'], ['bob']])).toBe('missing-takes');
    expect(await refusal([['ada'], ['unknown']])).toBe('missing-takes');
  });

  it('refuses a badly named file', async () => {
    await writeFile(join(folder, 'hello.wav'), sound(300));
    expect(await refusal([['ada']])).toBe('bad-name');
  });

  it('refuses a broken file and says which', async () => {
    await record('no', 'ada');
    await writeFile(join(folder, 'no_ada_9.wav'), 'RIFF');
    await expect(readRecordings({ folder, speakers: [['ada']], seed: 1 })).rejects.toThrow('"no_ada_9.wav"');
    expect(await refusal([['ada']])).toBe('bad-sound');
  });

  it('refuses silence', async () => {
    await record('no', 'ada');
    await writeFile(join(folder, 'no_ada_9.wav'), wavBytes({ data: new Uint8Array(800) }));
    expect(await refusal([['ada']])).toBe('bad-sound');
  });

  it('refuses an oversized file without reading it', async () => {
    await record('no', 'ada');
    await writeFile(join(folder, 'no_ada_9.wav'), new Uint8Array(11_000_000));
    expect(await refusal([['ada']])).toBe('bad-sound');
  });

  it('stops when aborted', async () => {
    await record('no', 'ada');
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(readRecordings({ folder, speakers: [['ada']], seed: 1, signal })).rejects.toThrow('enough');
  });
});
