/** A change of an SQL text; places are in bytes, as the parser counts. */
export type Edit = { readonly at: number; readonly length: number; readonly text: string };

/** Applies edits that do not overlap. */
export function apply(text: string, edits: readonly Edit[]): string {
  if (edits.length === 0) return text;
  const bytes = Buffer.from(text);
  const parts: Buffer[] = [];
  let end = 0;
  for (const { at, length, text: put } of edits.toSorted((a, b) => a.at - b.at)) {
    parts.push(bytes.subarray(end, at), Buffer.from(put));
    end = at + length;
  }
  return Buffer.concat([...parts, bytes.subarray(end)]).toString();
}

/** The length in bytes of what a pattern, which is sticky, finds at a place of a text. */
export function lengthAt(text: string, at: number, pattern: RegExp): number {
  const rest = Buffer.from(text).subarray(at).toString();
  return Buffer.byteLength(new RegExp(`^(?:${pattern.source})`, "i").exec(rest)?.[0] ?? "");
}
