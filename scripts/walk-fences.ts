import { readFileSync } from 'node:fs';

/** A code block of a document. */
export interface Fence {
  /** Such as `sh` or `ts`. */
  readonly language: string;
  readonly code: string;
}

/** @returns the code blocks of a Markdown file, in order */
export function readFences(path: string): Fence[] {
  const found = [...readFileSync(path, 'utf8').matchAll(/^```(\w+)\n([\s\S]*?)^```/gm)];
  if (found.length === 0) throw new Error(`Expected code blocks in ${path}, found none`);
  return found.map(([, language = '', code = '']) => ({ language, code }));
}

/** @returns the file that the first comment of a block names, as in `// make.mjs` or `// make.mjs: why` */
export function fileNamed({ language, code }: Fence): string | undefined {
  return language === 'sh' ? undefined : /^\/\/ ([\w./-]+\.m?[jt]s)(?=:|\n)/.exec(code)?.[1];
}

/** @returns whether a line of a shell block says that it is for developers of the package */
export const isForClones = (line: string): boolean => /#\s*in a clone\b/.test(line);
