import type { Mutation } from "../mutation.ts";

const database = "src/db/engine/database.ts";
const conclusive = "src/db/engine/conclusive.ts";

/** Mistakes in what a write that was attempted is answered, and in how its attempts follow each other. */
export const answerMutations: readonly Mutation[] = [
  {
    file: database,
    what: "a statement runs again while its first attempt may still happen",
    from: "if (unsettled) await fence(budget, unsettled);",
    to: "",
    tests: ["test/service/database.test.ts"],
  },
  {
    file: database,
    what: "the next attempt begins before the session of the last one has ended",
    from: "if (unsettled) await fence(budget, unsettled);",
    to: "if (unsettled) fence(budget, unsettled).catch(() => {});",
    tests: ["test/service/fence.test.ts"],
  },
  {
    file: database,
    what: "the session of a call that was given up in doubt is not ended",
    from: "if (unsettled) leave(unsettled);",
    to: "",
    tests: ["test/service/abandoned.test.ts"],
  },
  {
    file: database,
    what: "a transaction that ignored a failed statement passes for committed",
    from: 'if (answer !== "COMMIT") throw',
    to: 'if (answer === "") throw',
    tests: ["test/service/database.test.ts"],
  },
  {
    file: database,
    what: "a transaction whose work throws stays open",
    from: 'await control(lease, rollback, "inside").catch(() => {});',
    to: "",
    tests: ["test/service/database.test.ts"],
  },
  {
    file: database,
    what: "what the engine has not implemented is asked for again and again",
    from: 'stalenessOf(error) === "plan" && !wasPrepared',
    to: "false",
    tests: ["test/service/away.test.ts"],
  },
  {
    file: database,
    what: "a statement runs under the isolation of its session",
    from: 'statement.isolation && engine === "postgresql"',
    to: 'statement.isolation && engine !== "postgresql"',
    tests: ["test/service/session-settings.test.ts"],
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
    file: conclusive,
    what: "a second round that fails says that nothing was changed",
    from: "throw hasRun ? afterwards(error) : error;",
    to: "throw error;",
    tests: ["test/set-answers.test.ts"],
  },
  {
    file: conclusive,
    what: "a refusal is answered while what was left behind may happen",
    from: "if (leftBehind.length > 0) {",
    to: "if (leftBehind.length > 2) {",
    tests: ["test/conclusive.test.ts"],
  },
  {
    file: conclusive,
    what: "a set of which one is refused is not asked again",
    from: "refused: Array.isArray(value) && value.some(isRefusal)",
    to: "refused: isRefusal(value)",
    tests: ["test/conclusive.test.ts"],
  },
  {
    file: conclusive,
    what: "what was left behind before the write is not waited for",
    from: "[before, db.leftBehind()]",
    to: "[db.leftBehind()]",
    tests: ["test/conclusive.test.ts"],
  },
  {
    file: conclusive,
    what: "what cannot be ended passes for gone",
    from: "throw signal.aborted ? error : outcomeUnknown(error);",
    to: "if (signal.aborted) throw error;",
    tests: ["test/conclusive.test.ts"],
  },
];
