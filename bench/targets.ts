import type { IngestResult } from "./ingest.ts";
import type { Result } from "./results.ts";

type Find = (row: string, contestant?: Result["contestant"]) => Result | undefined;

type Target = {
  readonly what: string;
  /** The figure that must be at least, or at most, the bound; undefined where the row was not measured. */
  readonly figure: (find: Find) => number | undefined;
} & ({ readonly atLeast: number } | { readonly atMost: number });

const targets: readonly Target[] = [
  {
    what: "GetUser: times the tutorial, which has one query a call",
    figure: (find) => ratio(find("get-user"), find("get-user", "tutorial")),
    atLeast: 2.2,
  },
  {
    what: "GetUser: times the service with one query a call",
    figure: (find) => ratio(find("get-user"), find("get-user-without-batchers")),
    atLeast: 2.2,
  },
  {
    what: "GetUser: share of the same call answered from memory",
    figure: (find) => ratio(find("get-user"), find("get-user-from-memory")),
    atLeast: 0.75,
  },
  {
    what: "CreateOrder, 2,000 products: times the tutorial",
    figure: (find) => ratio(find("create-order"), find("create-order", "tutorial")),
    atLeast: 4,
  },
  {
    what: "CreateOrder, 10 products: times the tutorial's acknowledged orders",
    figure: (find) => ratio(find("create-order-hot"), find("create-order-hot", "tutorial")),
    atLeast: 100,
  },
  {
    what: "CreateOrder, 10 products: p99 in times that of 2,000 products",
    figure: (find) => ratio(find("create-order-hot"), find("create-order"), "p99Ms"),
    atMost: 2,
  },
  {
    what: "CreateOrder, 10 items, database 2 ms away: the tutorial's p50 in times ours",
    figure: (find) => ratio(find("order-latency-2", "tutorial"), find("order-latency-2"), "p50Ms"),
    atLeast: 8,
  },
  {
    what: "UpdateOrderStatus: times the tutorial",
    figure: (find) => ratio(find("update-order-status"), find("update-order-status", "tutorial")),
    atLeast: 3,
  },
  {
    what: "ImportOrders, rows: share of COPY",
    figure: (find) => ratio(find("import-orders"), find("import-orders", "engine")),
    atLeast: 0.8,
  },
  {
    what: "ImportOrderItems, rows: share of COPY",
    figure: (find) => ratio(find("import-order-items"), find("import-order-items", "engine")),
    atLeast: 0.8,
  },
  {
    what: "IngestOrders to a fast reader: memory moves within, MiB",
    figure: (find) => (find("ingest-fast-reader") as Partial<IngestResult> | undefined)?.spreadMiB,
    atMost: 128,
  },
  {
    what: "IngestOrders to a slow reader: memory moves within, MiB",
    figure: (find) => (find("ingest-slow-reader") as Partial<IngestResult> | undefined)?.spreadMiB,
    atMost: 128,
  },
  { what: "start to ready, warm directory, ms", figure: (find) => find("start")?.p50Ms, atMost: 1_500 },
  {
    what: "idle resident memory, MiB",
    figure: (find) => (find("idle-memory") as Partial<IngestResult> | undefined)?.residentMiB,
    atMost: 120,
  },
];

/** A line for each target whose rows were measured: whether it is reached. */
export function toVerdicts(results: readonly Result[]): string[] {
  const find: Find = (row, contestant = "ours") =>
    results.find((result) => result.row === row && result.contestant === contestant);
  return targets.flatMap(({ what, figure, ...bound }) => {
    const value = figure(find);
    if (value === undefined) return [];
    const reached = "atLeast" in bound ? value >= bound.atLeast : value <= bound.atMost;
    const limit = "atLeast" in bound ? `≥ ${bound.atLeast}` : `≤ ${bound.atMost}`;
    return [
      `${reached ? "reached" : "MISSED "}  ${value.toPrecision(3).padStart(6)}  ${limit.padEnd(8)}${what}`,
    ];
  });
}

function ratio(
  one: Result | undefined,
  other: Result | undefined,
  figure: "perSecond" | "p50Ms" | "p99Ms" = "perSecond",
): number | undefined {
  return one && other && one[figure] / other[figure];
}
