import { runRow } from "./measure.ts";
import type { Plan } from "./plan.ts";
import type { Result } from "./results.ts";
import { listRows, type Row } from "./rows.ts";
import { openStage, type Stage } from "./stage.ts";

const rowNames = ["get-user", "create-order", "update-order-status", "list-orders"];
const callers = [1, 8, 64, 256];
const replicas = [1, 2, 3];

/**
 * How calls grow dearer with the rows in the tables and, on tables of the first size, with callers and with
 * replicas on one database. Tables of a million orders take a minute to fill, of ten million ten.
 */
export async function runGrowth(
  sizes: readonly number[],
  plan: Plan,
  resources: AsyncDisposableStack,
): Promise<Result[]> {
  const results: Result[] = [];
  for (const [n, orders] of sizes.entries()) {
    console.log(`tables of ${orders} orders`);
    // Kept by the caller as well, who may be interrupted.
    await using stage = resources.use(await openStage(orders));
    // Rows remember products and pages of the tables that they were first run on.
    const rows = listRows();
    const measure = async (row: Row, label: string, some: Partial<Row> = {}): Promise<void> => {
      const name = `${row.name}, ${label}`;
      results.push(...(await runRow(stage, { ...row, ...some, name }, plan, ["ours"])));
    };
    for (const row of rows.filter(({ name }) => rowNames.includes(name)))
      await measure(row, `${orders.toLocaleString("en-US")} orders`);
    if (n === 0)
      await measureCrowds(
        stage,
        rows.find(({ name }) => name === "create-order")!,
        measure,
      );
  }
  return results;
}

async function measureCrowds(
  stage: Stage,
  row: Row,
  measure: (row: Row, label: string, some?: Partial<Row>) => Promise<void>,
): Promise<void> {
  for (const inFlight of callers) await measure(row, `${inFlight} callers`, { inFlight });
  for (const count of replicas) {
    await stage.replicate(count);
    await measure(row, `${count} replicas`, { inFlight: 128 });
  }
}
