/** What JSON.parse can return (RFC 8259). */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json | undefined;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Depth of nesting: 0 for a scalar, 1 for an empty array or object. Stops counting past `depthMax`. */
export function depthOf(value: Json | undefined, depthMax: number): number {
  if (typeof value !== 'object' || value === null) return 0;
  if (depthMax <= 0) return 1;
  let deepest = 0;
  for (const key in value) {
    const depth = depthOf((value as JsonObject)[key], depthMax - 1);
    if (depth > deepest) deepest = depth;
  }
  return deepest + 1;
}
