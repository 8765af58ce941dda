/** A report listed in a gallery. */
export interface GalleryEntry {
  readonly title: string;
  /** A relative, `https:` or `http:` address; others are shown without a link. */
  readonly href: string;
  /** The advice, as one sentence. */
  readonly headline: string;
  readonly isPassed: boolean;
  readonly facts: readonly GalleryFact[];
}

/** A fact listed with a report: `{ name: 'Accuracy', value: '96.4 %' }`. */
interface GalleryFact {
  readonly name: string;
  readonly value: string;
}

/** @returns the address if it can only lead to a page; undefined if it could do something else */
export function safeAddress(href: string): string | undefined {
  if (/^https?:\/\//i.test(href)) return href;
  return /^[^:/\\]*(?:[/?#]|$)/.test(href) && !href.startsWith('//') ? href : undefined;
}
