import type { VNode } from 'preact';

/** Markup of this room's own making, as it is: drawings, the style sheet, the script. */
export function Raw({ markup, className }: { markup: string; className?: string }): VNode {
  return <div class={className} dangerouslySetInnerHTML={{ __html: markup }} />;
}
