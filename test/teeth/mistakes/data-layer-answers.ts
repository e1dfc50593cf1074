import type { Mutation } from "../mutation.ts";

const database = "src/db/engine/database.ts";
const mutate = "src/db/engine/mutate.ts";

/** Mistakes in what a write that was attempted is answered, and in how its attempts follow each other. */
export const answerMutations: readonly Mutation[] = [
  {
    file: database,
    what: "a statement runs again while its first attempt may still happen",
    from: "let failure = inDoubt && (await terminate(pool, inDoubt, deadline));",
    to: "let failure: Failure | undefined;",
    tests: ["test/service/database.test.ts"],
  },
  {
    file: database,
    what: "the next attempt begins before the session of the last one has ended",
    from: "inDoubt && (await terminate(pool, inDoubt, deadline));",
    to: "inDoubt && (void terminate(pool, inDoubt, deadline), undefined);",
    tests: ["test/service/sessions.test.ts"],
  },
  {
    file: database,
    what: "a session is ended once more although it has ended",
    from: "          inDoubt = undefined;\n",
    to: "",
    tests: ["test/retries.test.ts"],
  },
  {
    file: database,
    what: "the session of a call that was given up in doubt is not ended",
    from: "if (inDoubt) void terminateLater(pool, inDoubt).catch(() => {});",
    to: "",
    tests: ["test/retries.test.ts"],
  },
  {
    file: "src/db/engine/work.ts",
    what: "a transaction that was rolled back passes for committed",
    from: 'if (command !== "COMMIT") throw',
    to: 'if (command === "") throw',
    tests: ["test/retries.test.ts"],
  },
  {
    file: "src/db/engine/work.ts",
    what: "a transaction whose statement fails stays open",
    from: "await client.query(rollback).catch(() => {});",
    to: "",
    tests: ["test/service/database.test.ts"],
  },
  {
    file: "src/db/engine/work.ts",
    what: "a statement runs under the isolation of its session",
    from: 'engine === "postgresql" ? statement.isolation : undefined',
    to: 'engine === "cockroachdb" ? statement.isolation : undefined',
    tests: ["test/service/session-settings.test.ts"],
  },
  {
    file: "src/db/engine/work.ts",
    what: "a write whose answer was lost passes for a read",
    from: 'progress.phase = statement.readsOnly ? "executing" : "committing";',
    to: 'progress.phase = "executing";',
    tests: ["test/service/database.test.ts"],
  },
  {
    file: "src/db/engine/transaction.ts",
    what: "what asks for repeatable read is serializable, and conflicts by pages",
    from: '"begin isolation level repeatable read"',
    to: '"begin isolation level serializable"',
    tests: ["test/service/session-settings.test.ts"],
  },
  {
    file: "src/db/engine/transaction.ts",
    what: "a transaction is undone at its end",
    from: '"transaction.commit", "commit"',
    to: '"transaction.commit", "rollback"',
    tests: ["test/service/database.test.ts"],
  },
  {
    file: mutate,
    what: "a second round that fails says that nothing was changed",
    from: "throw isBehind ? afterwards(error) : error;",
    to: "throw error;",
    tests: ["test/batch-answers.test.ts"],
  },
  {
    file: mutate,
    what: "a write that was refused, and whose mark is not there, says that nothing was changed",
    from: "      throw isBehind ? afterwards(error) : error;",
    to: "      isFirst = !isBehind;\n      throw isBehind ? afterwards(error) : error;",
    tests: ["test/mutate.test.ts"],
  },
];
