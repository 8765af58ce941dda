import { fingerprint, type Model, openMemoryStore } from 'neural-diff';
import { applyPayload } from 'neural-diff/apply';
import { createPatcher } from 'neural-diff/fast-apply';

/** A payload of the conformance kit, and what must become of it. */
export interface KitCase {
  readonly name: string;
  readonly payload: Uint8Array;
  readonly base: Model;
  /** Fingerprint of the model that must result, or the code of the refusal. */
  readonly expected: { readonly next: string } | { readonly code: string };
}

/** Runs the conformance kit, with nothing that engines may lack. @returns the cases that failed, and why */
export async function runKit(cases: readonly KitCase[]): Promise<string[]> {
  const failed: string[] = [];
  // One for all: WebKit runs out of memory before it collects those of hundreds.
  const patchers = [undefined, createPatcher()];
  for (const { name, payload, base, expected } of cases) {
    for (const patcher of patchers) {
      const found = await apply(base, payload, patcher);
      const wanted = 'next' in expected ? expected.next : expected.code;
      if (found !== wanted) failed.push(`${name}: expected ${wanted}, got ${found}`);
    }
  }
  return failed;
}

async function apply(
  { tensors }: Model,
  payload: Uint8Array,
  patcher: ReturnType<typeof createPatcher> | undefined,
): Promise<string> {
  const model = { tensors: tensors.map((tensor) => ({ ...tensor, bytes: tensor.bytes.slice() })) };
  const before = await fingerprint(openMemoryStore(model));
  try {
    await applyPayload(openMemoryStore(model), payload, patcher ? { patcher } : {});
  } catch (error) {
    const code = (error as { code?: string }).code ?? String(error);
    const after = await fingerprint(openMemoryStore(model));
    return after === before ? code : `${code}, and the model was changed`;
  }
  return fingerprint(openMemoryStore(model));
}
