/** A report that a gallery leads to. */
export interface GalleryEntry {
  readonly title: string;
  /** Relative, or `https:` or `http:`: other addresses are shown, not linked. */
  readonly href: string;
  /** What to ship, in a sentence. */
  readonly headline: string;
  readonly isPassed: boolean;
  readonly facts: readonly GalleryFact[];
}

/** A few words beside a report: `{ name: 'Accuracy', value: '96.4 %' }`. */
interface GalleryFact {
  readonly name: string;
  readonly value: string;
}

/** @returns the address where it leads to a page, nothing where it would do something else */
export function safeAddress(href: string): string | undefined {
  if (/^https?:\/\//i.test(href)) return href;
  return /^[^:/\\]*(?:[/?#]|$)/.test(href) && !href.startsWith('//') ? href : undefined;
}
