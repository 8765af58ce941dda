/** A start tag with its attributes; attributes hold no raw `"` or `<`. */
const TAG = /<([a-z][\w-]*)((?:\s+[^\s"'<>=/]+(?:="[^"<]*")?)*)\s*\/?>/gi;

const NAMES: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', amp: '&', '#39': "'" };

/** A page taken apart, without a document. */
export interface PageParts {
  readonly tags: readonly { readonly name: string; readonly attributes: string }[];
  /** Texts outside of tags, style sheet and script. */
  readonly text: string;
  /** Text of tables alone. */
  readonly tables: string;
  /** Labels of the marks in charts. */
  readonly labels: readonly string[];
  readonly script: string;
}

/** @returns the parts of a page */
export function takeApart(html: string): PageParts {
  const bare = html.replace(/<style>.*?<\/style>/s, '').replace(/<script>.*?<\/script>/s, '');
  const tags = Array.from(html.matchAll(TAG), ([, name, attributes]) => ({
    name: name!,
    attributes: attributes!,
  }));
  const labels = Array.from(bare.matchAll(/aria-label="([^"]*)" role="img"/g), ([, label]) =>
    unescapeText(label!),
  );
  return {
    tags,
    text: textOf(bare),
    tables: textOf(Array.from(bare.matchAll(/<table.*?<\/table>/gs), ([table]) => table).join(' ')),
    labels,
    script: /<script>(.*?)<\/script>/s.exec(html)![1]!,
  };
}

function textOf(markup: string): string {
  return unescapeText(markup.replaceAll(TAG, ' ').replaceAll(/<\/[a-z][\w-]*>/gi, ' '));
}

function unescapeText(text: string): string {
  return text.replaceAll(/&([a-z]+|#39);/g, (whole, name: string) => NAMES[name] ?? whole);
}
