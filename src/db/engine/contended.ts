import type { Run, Statement } from "./statement.ts";

/** A row that answers the request of its number. */
type Verdict = { readonly n: number; readonly verdict: string };

/** What answers a request for good. */
type Settled<Row extends Verdict> = Row & { readonly verdict: Exclude<Row["verdict"], "contended"> };

/**
 * Writes the requests of these numbers, then again those that have met another transaction ("contended"),
 * until none is left, and returns the rows of all others. `toValues` makes the parameters for the requests of
 * some numbers, in their order.
 */
export async function writeUntilSettled<Row extends Verdict>(
  run: Run,
  write: Statement<Row>,
  numbers: readonly number[],
  toValues: (numbers: readonly number[]) => readonly unknown[],
): Promise<Settled<Row>[]> {
  const settled: Settled<Row>[] = [];
  for (let open = numbers; open.length > 0;) {
    const rows = await run(write, toValues(open));
    const isSettled = (row: Row): row is Settled<Row> => row.verdict !== "contended";
    settled.push(...rows.filter(isSettled));
    open = rows.flatMap((row) => (isSettled(row) ? [] : [row.n])).toSorted((a, b) => a - b);
  }
  return settled;
}
