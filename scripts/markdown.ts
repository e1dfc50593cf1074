import type { Table } from "./limits.ts";

/** A table with its title, as Markdown. */
export function toMarkdown({ title, columns, rows }: Table): string {
  return `## ${title}\n\n${toTable(columns, rows)}`;
}

/** Rows below the names of their columns, as Markdown. */
export function toTable(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |\n`;
  const rule = line(columns.map(() => "---"));
  return `${line(columns)}${rule}${rows.map(line).join("")}`;
}
