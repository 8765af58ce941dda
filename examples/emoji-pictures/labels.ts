/** What the pictures are told apart by: each label with the Unicode subgroups that it stands for. */
export const SUBGROUPS_BY_LABEL: Readonly<Record<string, readonly string[]>> = {
  'glad face': ['face-smiling', 'face-affection', 'face-tongue', 'face-hat', 'face-glasses'],
  'sad face': ['face-concerned', 'face-unwell', 'face-neutral-skeptical', 'face-sleepy', 'face-negative'],
  heart: ['heart'],
  hand: ['hand-single-finger', 'hand-fingers-closed', 'hand-fingers-open', 'hand-fingers-partial', 'hands'],
  portrait: ['person', 'person-gesture', 'person-role'],
  figure: ['person-activity', 'person-sport', 'person-resting'],
  family: ['family', 'person-symbol'],
  mammal: ['animal-mammal', 'cat-face', 'monkey-face'],
  bird: ['animal-bird'],
  'water animal': ['animal-marine', 'animal-reptile', 'animal-amphibian'],
  bug: ['animal-bug'],
  plant: ['plant-flower', 'plant-other'],
  'fruit or vegetable': ['food-fruit', 'food-vegetable'],
  food: ['food-prepared', 'food-asian', 'food-sweet'],
  drink: ['drink', 'dishware'],
  building: ['place-building', 'place-religious'],
  'ground vehicle': ['transport-ground'],
  'ship or aircraft': ['transport-water', 'transport-air'],
  weather: ['sky & weather'],
  'clock or watch': ['time'],
  clothing: ['clothing'],
  'music and sound': ['musical-instrument', 'music', 'sound'],
  sport: ['sport', 'award-medal'],
  tool: ['tool', 'science', 'lock'],
  stationery: ['office', 'book-paper', 'writing', 'mail'],
  device: ['computer', 'phone', 'light & video'],
  letters: ['alphanum', 'keycap'],
  button: ['av-symbol', 'arrow'],
  sign: ['zodiac', 'religion', 'transport-sign', 'warning'],
  shape: ['geometric'],
  flag: ['country-flag', 'subdivision-flag'],
};

/** Labels in the order of the model's outputs. */
export const LABELS: readonly string[] = Object.keys(SUBGROUPS_BY_LABEL);

/** @returns the label of a subgroup as an index; undefined for a subgroup that is left out */
export function labelOf(subgroup: string): number | undefined {
  const label = LABELS.findIndex((name) => SUBGROUPS_BY_LABEL[name]?.includes(subgroup));
  return label === -1 ? undefined : label;
}

/** Skin tones, signs and persons, by which emoji of a family differ. */
const VARIANT_POINTS = new Set([
  ...['1F3FB', '1F3FC', '1F3FD', '1F3FE', '1F3FF', 'FE0F', '200D'],
  ...['2640', '2642', '27A1', '1F468', '1F469', '1F9D1'],
]);

/**
 * Names the family of an emoji: what it shows, without skin tone, gender and direction. Those of a family
 * look alike, so it is never in two splits.
 *
 * @param points code points as hexadecimal digits, joined by `-`
 */
export function familyOf(points: string): string {
  const own = points.split('-').filter((point) => !VARIANT_POINTS.has(point));
  return own.length === 0 ? 'person' : own.join('-');
}
