import fc from "fast-check";

/** What a file asks for, in the file's order: rows that are to be stored, lines that are to be refused. */
export type Model<Stored> = {
  readonly bytes: Buffer;
  readonly stored: readonly Stored[];
  readonly refusedLines: readonly number[];
};

/** An item, with its price as the database prints it. */
export type Item = { readonly product: string; readonly quantity: number; readonly price: string };
/** A part of a file: its bytes, what it asks for, and whether its first line is to be refused. */
export type Part<Stored> = { readonly bytes: Buffer; readonly stored?: Stored; readonly isRefused?: boolean };

export const lineEnds = fc.constantFrom("\n", "\r\n", "\r");
export const price = fc
  .tuple(fc.nat(9_999), fc.nat(9_999))
  .map(([units, decimals]) => `${units}.${String(decimals).padStart(4, "0")}`);
/** Joins parts by line ends of any kind and counts the lines, knowing nothing of how they are read. */
export function render<Stored>(
  parts: readonly (Part<Stored> & { readonly end: string })[],
  { hasMark, isCut }: { readonly hasMark: boolean; readonly isCut: boolean },
): Model<Stored> {
  const chunks: Buffer[] = hasMark ? [Buffer.from([0xef, 0xbb, 0xbf])] : [];
  const stored: Stored[] = [];
  const refusedLines: number[] = [];
  let line = 1;
  let endBefore = "";
  for (const [index, part] of parts.entries()) {
    if (part.isRefused) refusedLines.push(line);
    if (part.stored) stored.push(part.stored);
    // LF behind CR and nothing would be one end, not two.
    const end = endBefore === "\r" && part.bytes.length === 0 ? "\r" : part.end;
    const isLast = index === parts.length - 1;
    chunks.push(part.bytes, Buffer.from(isLast && isCut ? "" : end));
    line += 1 + (part.bytes.toString("latin1").match(/\r\n|\n|\r/g)?.length ?? 0);
    endBefore = end;
  }
  return { bytes: Buffer.concat(chunks), stored, refusedLines };
}

export const layout = fc.record({ hasMark: fc.boolean(), isCut: fc.boolean() });

export const withEnds = <Stored>(part: fc.Arbitrary<Part<Stored>>) =>
  fc.tuple(part, lineEnds).map(([each, end]) => ({ ...each, end }));
