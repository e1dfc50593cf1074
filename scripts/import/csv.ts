import { lineBytesMax, type Line } from "./lines.ts";

/** A record of CSV: its end, and its cells or the problem with them. */
export type CsvRecord = Pick<Line, "end" | "problem"> & {
  readonly line: number;
  readonly cells: readonly string[];
};

/**
 * Reads records of cells between commas; a quoted cell may contain commas, line ends and doubled quotes.
 *
 * A record continues while the number of quotes so far is odd, which is right wherever the quotes are. If
 * they are not, the record's first line is refused and reading continues with the next line: an extra quote
 * costs one row, not all that follow. (A parser of the whole stream could not resume there, and has no lines
 * for its records.)
 */
export async function* readRecords(lines: AsyncIterable<readonly Line[]>): AsyncGenerator<CsvRecord[]> {
  let open: Line[] = [];
  let isOpen = false;
  /** The number of bytes before the open lines. */
  let startBytes = 0;
  /** The number of cells of the first record that is not empty. */
  let width: number | undefined;

  function take(line: Line): CsvRecord[] {
    open.push(line);
    isOpen = hasOddQuotes(line.text) !== isOpen;
    if (line.end.bytes - startBytes > lineBytesMax) return refuseFirst();
    return isOpen ? [] : conclude();
  }

  function conclude(): CsvRecord[] {
    const cells = readCells(open.map(({ text }) => text).join("\n"));
    if (cells === undefined) return refuseFirst();
    // Two rows with an extra quote each look like one record of several lines.
    if (open.length > 1 && width !== undefined && cells.length !== width) return refuseFirst();
    if (cells.some((cell) => cell !== "")) width ??= cells.length;
    const [{ number: line }, { end }] = [open[0]!, open.at(-1)!];
    const problem = open.find((each) => each.problem !== undefined)?.problem;
    open = [];
    startBytes = end.bytes;
    return [{ line, end, cells, ...(problem !== undefined && { problem }) }];
  }

  /** Refuses the first open line and reads the others again. */
  function refuseFirst(): CsvRecord[] {
    const [{ number: line, end, problem }, ...others] = open as [Line, ...Line[]];
    open = [];
    isOpen = false;
    startBytes = end.bytes;
    const why = problem ?? "a quote is not closed, or stands inside a cell without being doubled";
    return [{ line, end, cells: [], problem: why }, ...others.flatMap(take)];
  }

  for await (const some of lines) yield some.flatMap(take);
  while (open.length > 0) yield refuseFirst();
}

function hasOddQuotes(text: string): boolean {
  return text.split('"').length % 2 === 0;
}

/** Returns the trimmed cells of a record; undefined if a quote is misplaced. */
function readCells(text: string): string[] | undefined {
  const cells: string[] = [];
  for (let at = 0; ; at += 1) {
    at = skipBlanks(text, at);
    if (text[at] === '"') {
      const close = findClose(text, at);
      if (close === -1) return undefined;
      cells.push(text.slice(at + 1, close).replaceAll('""', '"'));
      at = skipBlanks(text, close + 1);
      if (at < text.length && text[at] !== ",") return undefined;
    } else {
      const comma = text.indexOf(",", at);
      const cell = text.slice(at, comma === -1 ? text.length : comma);
      if (cell.includes('"')) return undefined;
      cells.push(cell.trimEnd());
      at += cell.length;
    }
    if (at >= text.length) return cells;
  }
}

/** Returns the index of the closing quote; -1 if there is none. */
function findClose(text: string, opening: number): number {
  for (let at = opening + 1; ; at += 2) {
    at = text.indexOf('"', at);
    if (at === -1 || text[at + 1] !== '"') return at;
  }
}

function skipBlanks(text: string, at: number): number {
  const blanks = /\s*/y;
  blanks.lastIndex = at;
  return at + blanks.exec(text)![0].length;
}
