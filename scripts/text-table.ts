import type { Table } from "./limits.ts";

/** What fits beside other windows. */
const columnsMax = 100;

const [indent, gap] = ["  ", "  "];

/** A table as text of at most 100 columns, unless single words need more: the widest cells are wrapped. */
export function toText({ title, columns, rows }: Table): string {
  const table = [columns, ...rows];
  const widths = fit(table);
  const lines = table.flatMap((row) => {
    const cells = row.map((cell, n) => wrap(cell.split(" "), widths[n]!));
    return Array.from({ length: Math.max(...cells.map((cell) => cell.length)) }, (_, at) =>
      (indent + cells.map((cell, n) => (cell[at] ?? "").padEnd(widths[n]!)).join(gap)).trimEnd(),
    );
  });
  return `${title}\n\n${lines.join("\n")}\n\n`;
}

/** Wraps words into lines of at most `columns`, at least one word each. */
export function wrap(words: readonly string[], columns: number): string[] {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > columns) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}

/** Widths of the columns: the widest are narrowed, to their longest words at most, until a line fits. */
function fit(table: readonly (readonly string[])[]): number[] {
  const most = (measure: (cell: string) => number): number[] =>
    table[0]!.map((_, n) => Math.max(...table.map((row) => measure(row[n] ?? ""))));
  const widths = most((cell) => cell.length);
  const least = most((cell) => Math.max(...cell.split(" ").map((word) => word.length)));
  const room = columnsMax - indent.length - gap.length * (widths.length - 1);
  while (widths.reduce((sum, width) => sum + width) > room) {
    const widest = Math.max(...widths.filter((width, n) => width > least[n]!));
    if (widest === -Infinity) break;
    widths[widths.findIndex((width, n) => width === widest && width > least[n]!)]! -= 1;
  }
  return widths;
}
