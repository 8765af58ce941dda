import { expect, test } from 'vitest';
import { measureHouse } from '../../scripts/house.js';

const house = measureHouse();

test('the code base keeps to its size: rooms, files, subpaths, public names', () => {
  expect(house.rooms.length).toBeLessThanOrEqual(18);
  expect(house.files).toBeLessThanOrEqual(560);
  expect(house.subpaths).toBeLessThanOrEqual(12);
  expect(house.publicNames).toBeLessThanOrEqual(213);
});

test('files and functions are of one size: none scattered, none endless', () => {
  expect(house.medianFileLines).toBeGreaterThanOrEqual(100);
  expect(house.medianFileLines).toBeLessThanOrEqual(160);
  expect(house.longestFile.lines).toBeLessThanOrEqual(400);
  expect(house.longestFunction.lines).toBeLessThanOrEqual(70);
});

test('no file imports itself, over whichever others', () => {
  expect(house.cycles).toEqual([]);
});

test('devices load few files, unbundled', () => {
  for (const [name, most] of Object.entries({ apply: 51, 'fast-apply': 30, storage: 35, updater: 88 })) {
    expect(house.loaded[name]?.length, name).toBeGreaterThan(10);
    expect(house.loaded[name]?.length, name).toBeLessThanOrEqual(most);
  }
});
