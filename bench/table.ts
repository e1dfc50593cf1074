import type { Result } from "./results.ts";

type Cells = readonly string[];

const heading: Cells = [
  "row",
  "in flight",
  "who",
  "a second",
  "ours is",
  "answered",
  "refused",
  "failed",
  "p50 ms",
  "p99 ms",
  "CPU ms",
];

/**
 * The table: a line for each contestant of each row that has callers. It is Markdown, and aligned for a
 * terminal.
 */
export function toTable(all: readonly Result[]): string {
  const results = all.filter(({ inFlight }) => inFlight > 0);
  const lines = results.map((result, n): Cells => {
    const { row, inFlight, contestant, perSecond, acknowledged, refused, failed } = result;
    const isFirst = results[n - 1]?.row !== row || results[n - 1]?.inFlight !== inFlight;
    const ours = results.find((other) => {
      const isOurs = other.contestant === "ours" && other.inFlight === inFlight;
      return (
        isOurs &&
        row.replace(/-(from-memory|by-grpc-js|by-http2|without-batchers|elsewhere)$/, "") === other.row
      );
    });
    const ratio = ours && ours !== result && perSecond > 0 ? `${digits(ours.perSecond / perSecond)} ×` : "";
    return [
      isFirst ? row : "",
      isFirst ? String(inFlight) : "",
      contestant,
      digits(perSecond),
      ratio,
      ...[acknowledged, refused, failed].map((count) => count.toLocaleString("en-US")),
      result.p50Ms === 0 ? "" : digits(result.p50Ms),
      result.p99Ms === 0 ? "" : digits(result.p99Ms),
      result.cpuMsPerCall === 0 ? "" : result.cpuMsPerCall.toFixed(3),
    ];
  });
  return toMarkdown(heading, lines, [0, 2]);
}

/** A table in Markdown that is aligned for a terminal; columns are numbers but those of `texts`. */
export function toMarkdown(head: Cells, lines: readonly Cells[], texts: readonly number[]): string {
  const widths = head.map((name, n) => Math.max(name.length, ...lines.map((line) => line[n]!.length)));
  const isText = (n: number): boolean => texts.includes(n);
  const pad = (cell: string, n: number): string =>
    isText(n) ? cell.padEnd(widths[n]!) : cell.padStart(widths[n]!);
  const toLine = (cells: Cells): string => `| ${cells.map(pad).join(" | ")} |`;
  const rule = widths.map((width, n) => (isText(n) ? "-".repeat(width) : `${"-".repeat(width - 1)}:`));
  return [toLine(head), toLine(rule), ...lines.map(toLine)].join("\n");
}

/** Three digits that count, thousands with commas. */
function digits(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString("en-US");
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
