import { judge, type Result } from "./playing.ts";

const MEBI = 2 ** 20;

/** Prints a line for each attack, in columns; below, what the attackers were answered and who failed. */
export function printTable(results: readonly Result[]): void {
  const head = [
    "attack",
    "health ms",
    "livez",
    "readyz",
    "p99 GetUser",
    "lag",
    "failed",
    "MiB before",
    "peak",
  ];
  const rows = results.map((result) => {
    const { report, attack, residentAfter } = result;
    const { stallMs, getUserMs, lagMs, failed, resident } = report;
    const times = Object.values(failed).reduce((sum, each) => sum + each, 0);
    const numbers = [stallMs.health, stallMs.livez, stallMs.readyz, getUserMs.p99, lagMs, times];
    const memory = [resident.before, resident.peak, residentAfter].map((bytes) => bytes / MEBI);
    const verdict = judge(result).join(", ") || "held";
    return [attack.name, ...[...numbers, ...memory].map((each) => each.toFixed(0)), verdict];
  });
  const all = [[...head, "after", "verdict"], ...rows];
  const widths = all[0]!.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  for (const row of all) {
    const cells = row.map((cell, column) => {
      if (column === 0) return cell.padEnd(widths[0]!);
      return column === row.length - 1 ? cell : cell.padStart(widths[column]!);
    });
    console.log(cells.join("  "));
  }
  console.log("\nAnswers (those that may not be are marked):");
  for (const { attack, answers, wrong, report } of results) {
    const mark = (answer: string): string => (wrong.includes(answer) ? `!${answer}` : answer);
    const said = answers.map(([answer, times]) => `${mark(answer)} × ${times}`);
    const failed = Object.entries(report.failed).map(([what, times]) => `${what} × ${times}`);
    said.push(
      ...wrong.filter((each) => !answers.some(([answer]) => answer === each)).map((each) => `!${each}`),
    );
    const others = failed.length > 0 ? `; normal callers: ${failed.join(", ")}` : "";
    console.log(`  ${attack.name}: ${said.join(", ") || "none"}${others}`);
  }
}
