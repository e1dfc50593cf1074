import type { Mutation } from "../mutation.ts";

const pool = "src/db/engine/pool.ts";
const settings = ["test/service/session-settings.test.ts"];
const fence = ["test/service/sessions.test.ts"];

/** Mistakes in how the pool makes, names and hands out connections. */
export const poolMutations: readonly Mutation[] = [
  {
    file: pool,
    what: "a statement of a service that died goes on",
    from: "    statement_timeout: statementMsMax,\n",
    to: "",
    tests: settings,
  },
  {
    file: pool,
    what: "a transaction of a service that died keeps its locks",
    from: "    idle_in_transaction_session_timeout: idleInTransactionMsMax,\n",
    to: "",
    tests: settings,
  },
  {
    file: pool,
    what: "how long a call waits for a lock is the database's to say",
    from: "    lock_timeout: 0,\n",
    to: "",
    tests: settings,
  },
  {
    file: pool,
    what: "transactions have the isolation that the database gives them",
    from: 'default_transaction_isolation: engine === "postgresql" ? "read committed" : "serializable",',
    to: "",
    tests: settings,
  },
  {
    file: pool,
    what: "small tables are read from end to end",
    from: '    enable_seqscan: "off",\n',
    to: "",
    tests: settings,
  },
  {
    file: pool,
    what: "the pages of users are sorted",
    from: '    enable_bitmapscan: "off",\n',
    to: "",
    tests: settings,
  },
  {
    file: pool,
    what: "statements are planned again each time",
    from: '    plan_cache_mode: "force_generic_plan",\n',
    to: "",
    tests: settings,
  },
  {
    file: pool,
    what: "on CockroachDB plans know nothing of their values",
    from: '{ ...shared, plan_cache_mode: "force_custom_plan" }',
    to: "shared",
    tests: ["test/service/pool.test.ts"],
  },
  {
    file: pool,
    what: "nulls of sets are texts",
    from: '    array_nulls: "on",\n',
    to: "",
    tests: settings,
  },
  {
    file: "src/db/engine/connector.ts",
    what: "a connection that is not answered is waited for",
    from: "(nodes.areFailing() ? failingMs : connectMsMax)",
    to: "0",
    tests: settings,
  },
  {
    file: "src/db/engine/connector.ts",
    what: "while a node fails, no other one is connected to that is far away",
    from: "(failingMs = Math.min(2 * failingMs, connectMsMax))",
    to: "0",
    tests: ["test/cockroach-nodes.test.ts"],
  },
  {
    file: pool,
    what: "the sessions of one service have many names",
    from: 'application_name: "commerce-core",',
    to: "application_name: `commerce-core ${Math.random()}`,",
    tests: fence,
  },
  {
    file: pool,
    what: "connections that were made together are renewed together",
    from: "(0.9 + 0.2 * Math.random())",
    to: "1",
    tests: ["test/service/pool.test.ts"],
  },
  {
    file: pool,
    what: "the place of a call that got no connection is lost",
    from: "    } catch (error) {\n      leave();\n",
    to: "    } catch (error) {\n",
    tests: ["test/service/pool.test.ts"],
  },
  {
    file: pool,
    what: "calls wait for a database that is known to be away",
    from: "isSuspected && isFirst",
    to: "isSuspected && !isFirst",
    tests: ["test/service/away.test.ts"],
  },
];
