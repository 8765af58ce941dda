import type { ComponentChildren, VNode } from 'preact';

/** A section of a page. */
export interface Section {
  /** Unique within the page, part of its address. */
  readonly id: string;
  readonly title: string;
  readonly content: ComponentChildren;
}

/** A section with its heading. */
export function PageSection({ id, title, content }: Section): VNode {
  return (
    <section id={id} aria-labelledby={`${id}-title`}>
      <h2 id={`${id}-title`}>{title}</h2>
      {content}
    </section>
  );
}

/** Links to the sections of a page. */
export function Contents({ sections }: { sections: readonly Section[] }): VNode {
  return (
    <nav aria-label="On this page">
      <ul>
        {sections.map(({ id, title }) => (
          <li key={id}>
            <a href={`#${id}`}>{title}</a>
          </li>
        ))}
      </ul>
    </nav>
  );
}
