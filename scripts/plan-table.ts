import { styleText } from "node:util";
import { problemsOf, type PlanFacts } from "./plan.ts";
import { wrap } from "./text-table.ts";

/** With the statements' names beside it, a table fits into 100 columns. */
const indexColumns = 42;

/** Formats plans, one line each, or more if there are many indexes; problems are red on a terminal. */
export function toTable(plans: readonly PlanFacts[]): string {
  const headings = ["statement", "rows found by", "reads whole", "sorts"] as const;
  const nameColumns = Math.max(...plans.map(({ name }) => name.length));
  const widths = [nameColumns, indexColumns, headings[2].length, headings[3].length];
  const toLine = (cells: readonly string[]): string =>
    cells
      .map((cell, n) => cell.padEnd(widths[n]!))
      .join("  ")
      .trimEnd();
  const toLines = (plan: PlanFacts): string[] => {
    const [first = "", ...rest] = wrap(
      plan.indexes.map((index, n) => (n < plan.indexes.length - 1 ? `${index},` : index)),
      indexColumns,
    );
    const cells = [plan.name, first, plan.scanned.join(", "), plan.sorts === 0 ? "" : String(plan.sorts)];
    const lines = [toLine(cells), ...rest.map((indexes) => toLine(["", indexes]))];
    return problemsOf(plan).length === 0 ? lines : lines.map((line) => styleText("red", line));
  };
  return [styleText("bold", toLine(headings)), ...plans.flatMap(toLines)].join("\n");
}
