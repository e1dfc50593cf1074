import type { Mutation } from "../mutation.ts";

/** Mistakes that PostgreSQL forgives and CockroachDB does not: its emulation sees them. */
export const cockroachMutations: readonly Mutation[] = [
  {
    file: "src/db/migrate/lease.ts",
    what: "a placeholder beside an interval has no type of its own",
    from: "clock_timestamp() + $3::int8 * interval '1 millisecond'",
    to: "clock_timestamp() + $3 * interval '1 millisecond'",
    tests: ["test/cockroach.test.ts"],
  },
  {
    file: "src/db/orders/change-statuses.ts",
    what: "products are looked for in an array that is a subquery",
    from: "select p.id from returned r join products p on p.id = r.product_id order by p.id for update of p",
    to: "select id from products where id = any(array(select product_id from returned)) for update",
    tests: ["test/cockroach-plans.test.ts"],
  },
  {
    file: "src/db/engine/session.ts",
    what: "a session has ended whose node cannot be asked",
    from: " or (session_id is null and node_id = <node>)`",
    to: "`",
    tests: ["test/cockroach-nodes.test.ts"],
  },
  {
    file: "src/db/engine/session.ts",
    what: "the sessions of unreachable nodes are not listed",
    from: "[show all cluster sessions]",
    to: "[show cluster sessions]",
    tests: ["test/cockroach-nodes.test.ts"],
  },
  {
    file: "src/db/engine/judge.ts",
    what: "a connection is sound whose node says that it shuts down",
    from: 'severity === "ERROR" && !isLost)',
    to: 'severity === "ERROR" && (!isLost || code === "57P01"))',
    tests: ["test/cockroach-nodes.test.ts"],
  },
  {
    file: "src/db/engine/pool.ts",
    what: "CockroachDB plans without the values",
    from: 'if (engine === "cockroachdb") return { ...shared, plan_cache_mode: "force_custom_plan" };',
    to: 'if (engine === "cockroachdb") return shared;',
    tests: ["test/cockroach-nodes.test.ts"],
  },
];
