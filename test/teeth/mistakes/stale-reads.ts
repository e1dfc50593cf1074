import type { Mutation } from "../mutation.ts";

const stale = ["test/service/stale-reads.test.ts"];
const configured = ["test/config-replica.test.ts"];

/** Mistakes in where reads go that may be stale. */
export const staleReadMutations: readonly Mutation[] = [
  {
    file: "src/services/sources.ts",
    what: "a stale read goes to the database",
    from: "=== ReadConsistency.STALE ? sources.stale : sources.strong",
    to: "=== ReadConsistency.STALE ? sources.strong : sources.strong",
    tests: stale,
  },
  {
    file: "src/services/sources.ts",
    what: "a read that asks for nothing may be stale",
    from: "=== ReadConsistency.STALE ? sources.stale : sources.strong",
    to: "!== ReadConsistency.STRONG ? sources.stale : sources.strong",
    tests: stale,
  },
  {
    file: "src/services/orders.ts",
    what: "a stale list of events is read from the database",
    from: "listEvents(toSource(sources, request), ",
    to: "listEvents(sources.strong, ",
    tests: stale,
  },
  {
    file: "src/db/sources.ts",
    what: "stale reads share round trips with others",
    from: "stale ? createReads(stale, sharing) : strong",
    to: "strong",
    tests: stale,
  },
  {
    file: "src/db/engine/pool.ts",
    what: "what is written where stale reads go is written",
    from: '{ default_transaction_isolation: "repeatable read", default_transaction_read_only: "on" }',
    to: '{ default_transaction_isolation: "repeatable read" }',
    tests: stale,
  },
  {
    file: "src/databases.ts",
    what: "a replica is not looked for at the start",
    from: "if (replica) await reachDatabase",
    to: "if (!replica) await reachDatabase",
    tests: stale,
  },
  {
    file: "src/config/redacted.ts",
    what: "the password of a replica is logged",
    from: "...(replica && { replica: hide(replica) })",
    to: "",
    tests: configured,
  },
];
