/** Element types that a tensor may have. All are stored little-endian. */
export type DType = 'float32' | 'float16' | 'bfloat16' | 'int8' | 'uint8' | 'int32';

/** What the format and the arithmetic need to know of an element type. */
export interface DTypeInfo {
  /** Number that stands for the type in fingerprints and payloads; never reused. */
  readonly code: number;
  /** Bytes an element. */
  readonly bytes: number;
  readonly kind: 'float' | 'integer';
}

/** Every element type. */
export const DTYPES: Readonly<Record<DType, DTypeInfo>> = {
  float32: { code: 1, bytes: 4, kind: 'float' },
  float16: { code: 2, bytes: 2, kind: 'float' },
  bfloat16: { code: 3, bytes: 2, kind: 'float' },
  int8: { code: 4, bytes: 1, kind: 'integer' },
  uint8: { code: 5, bytes: 1, kind: 'integer' },
  int32: { code: 6, bytes: 4, kind: 'integer' },
};

/** @returns the type that a wire code stands for, or undefined for an unknown code */
export function dtypeOfCode(code: number): DType | undefined {
  return (Object.keys(DTYPES) as DType[]).find((dtype) => DTYPES[dtype].code === code);
}

/** @returns whether a string names an element type */
export function isDType(name: string): name is DType {
  return Object.hasOwn(DTYPES, name);
}
