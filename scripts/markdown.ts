import type { Table } from "./limits.ts";

/** A table with its title, as Markdown. */
export function toMarkdown({ title, columns, rows }: Table): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |\n`;
  const rule = line(columns.map(() => "---"));
  return `## ${title}\n\n${line(columns)}${rule}${rows.map(line).join("")}`;
}
