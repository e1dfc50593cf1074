import type { Mutation } from "../mutation.ts";

const judge = "src/db/engine/judge.ts";
const session = "src/db/engine/session.ts";

/** Mistakes in how failed attempts are judged, and how sessions in doubt are ended. */
export const judgingMutations: readonly Mutation[] = [
  {
    file: judge,
    what: "a lost connection at commit says that nothing happened",
    from: "if (server === undefined) return lost;",
    to: 'if (server === undefined) return { disposition: "disconnected" };',
    tests: ["test/judge.test.ts"],
  },
  {
    file: judge,
    what: "a race for a movement of stock is final",
    from: '  "stock_movements_pkey",\n',
    to: "",
    tests: ["test/judge.test.ts"],
  },
  {
    file: judge,
    what: "a deadlock is final",
    from: "/^(40001|40P01|CR000)$/",
    to: "/^(40001|CR000)$/",
    tests: ["test/judge.test.ts"],
  },
  {
    file: judge,
    what: "a connection whose node drains goes on",
    from: 'reusable: cause instanceof DecodeError || (severity === "ERROR" && !isLost),',
    to: 'reusable: cause instanceof DecodeError || severity === "ERROR",',
    tests: ["test/judge.test.ts"],
  },
  {
    file: judge,
    what: "an attempt that was lost inside of a transaction leaves its locks",
    from: ' || (phase === "inside" && disposition === "disconnected"),',
    to: ",",
    tests: ["test/judge.test.ts"],
  },
  {
    file: judge,
    what: "what the engine does not support is asked for again and again",
    from: 'if (rule.stale === "plan" && !wasPrepared) return final;',
    to: "",
    tests: ["test/judge.test.ts"],
  },
  {
    file: judge,
    what: "what the server has stopped for its length runs again",
    from: "elapsedMs < statementMsMax ?",
    to: "elapsedMs > 0 ?",
    tests: ["test/judge.test.ts"],
  },
  {
    file: judge,
    what: "a cancelled write of CockroachDB has not happened",
    from: 'if (engine === "cockroachdb") return { disposition: "aborted", atCommit: "ambiguous" };',
    to: "",
    tests: ["test/judge.test.ts"],
  },
  {
    file: judge,
    what: "a login that is being changed is refused for ever",
    from: 'if (phase === "connecting" && /^(28|3D)/',
    to: 'if (phase === "inside" && /^(28|3D)/',
    tests: ["test/judge.test.ts"],
  },
  {
    file: session,
    what: "a session counts as ended although it goes on",
    from: "rows.every(({ ended }) => ended)",
    to: "rows.every(({ ended }) => ended !== undefined)",
    tests: ["test/session.test.ts"],
  },
  {
    file: session,
    what: "the session's end is not waited for",
    from: "pg_terminate_backend(pid, $3::int8)",
    to: "pg_terminate_backend(pid, 0 * $3::int8)",
    tests: ["test/session.test.ts"],
  },
  {
    file: session,
    what: "whatever has the number of the session is ended",
    from: "  where ${beganAt} = $2::text`,",
    to: "  where $2::text is not null`,",
    tests: ["test/service/sessions.test.ts"],
  },
  {
    file: session,
    what: "on CockroachDB it is not looked whether the session has gone",
    from: "return rows.length === 0;",
    to: "return rows.length >= 0;",
    tests: ["test/session.test.ts"],
  },
  {
    file: session,
    what: "a node that cannot be asked has ended its sessions",
    from: "where session_id = '<id>' or (session_id is null and node_id = <node>)",
    to: "where session_id = '<id>'",
    tests: ["test/session.test.ts"],
  },
  {
    file: session,
    what: "the node of a session is read from the wrong digits",
    from: "id.slice(-8)",
    to: "id.slice(-12)",
    tests: ["test/session.test.ts"],
  },
  {
    file: session,
    what: "an id of another form is written into the text",
    from: "/^[0-9a-f]{32}$/",
    to: "/^/",
    tests: ["test/session.test.ts"],
  },
  {
    file: judge,
    what: "a commit that ends with the server has not happened",
    from: 'const atCommit = isFatal ? "ambiguous" : found.atCommit;',
    to: "const { atCommit } = found;",
    tests: ["test/judge.test.ts"],
  },
  {
    file: session,
    what: "sessions of a node that cannot be asked are not listed",
    from: "[show all cluster sessions]",
    to: "[show cluster sessions]",
    tests: ["test/session.test.ts"],
  },
];
