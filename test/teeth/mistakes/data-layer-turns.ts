import type { Mutation } from "../mutation.ts";

const batchers = "src/db/batchers.ts";
const queue = "src/queue.ts";
const pace = "src/db/engine/pace.ts";

/** Mistakes in what shares a round trip, when it is late, and in how calls take turns for connections. */
export const turnMutations: readonly Mutation[] = [
  {
    file: batchers,
    what: "repetitions of an order are under way together",
    from: '"create_order", createOrders, {\n      keysOf: (order) => [order.id],',
    to: '"create_order", createOrders, {',
    tests: ["test/batchers.test.ts"],
  },
  {
    file: batchers,
    what: "two changes of one order are under way together",
    from: "keysOf: (change) => [change.orderId, change.idempotencyKey]",
    to: "keysOf: (change) => [change.idempotencyKey]",
    tests: ["test/batchers.test.ts"],
  },
  {
    file: batchers,
    what: "the lines of a batch of orders are not bounded",
    from: "      weightMax: linesMax,\n",
    to: "",
    tests: ["test/batchers.test.ts"],
  },
  {
    file: batchers,
    what: "guesses of one password are judged together",
    from: "{ keysOf: (attempt) => [attempt.accountId] }",
    to: "{}",
    tests: ["test/batchers.test.ts"],
  },
  {
    file: queue,
    what: "who waits for a turn waits past its deadline",
    from: "Math.min(waitMsMax, Math.max(0, deadlineMs - Date.now()) + signalSlackMs)",
    to: "waitMsMax",
    tests: ["test/queue-places.test.ts"],
  },
  {
    file: queue,
    what: "one more may wait than the queue is long",
    from: "max: lengthMax, floor",
    to: "max: lengthMax + 1, floor",
    tests: ["test/queue-places.test.ts"],
  },
  {
    file: queue,
    what: "the crowd of one caller is served first",
    from: "      lines.delete(holder);\n      lines.set(holder, line);\n      const [first]",
    to: "      const [first]",
    tests: ["test/queue.test.ts"],
  },
  {
    file: queue,
    what: "a place that is given back twice is two places",
    from: "      if (given) return;\n",
    to: "",
    tests: ["test/queue-places.test.ts"],
  },
  {
    file: queue,
    what: "who waited too long keeps a turn",
    from: "          lines.remove(holder, admit);\n",
    to: "",
    tests: ["test/queue-places.test.ts"],
  },
  {
    file: pace,
    what: "one slow set makes all sets late later",
    from: "const weight = 0.1;",
    to: "const weight = 1;",
    tests: ["test/pace.test.ts"],
  },
  {
    file: pace,
    what: "a set is late after any time that sets take",
    from: "Math.min(Math.max(min, ms), overdueMsMax)",
    to: "Math.max(min, ms)",
    tests: ["test/pace.test.ts"],
  },
  {
    file: pace,
    what: "sets of a quick database are late at once",
    from: "Math.min(Math.max(min, ms), overdueMsMax)",
    to: "Math.min(ms, overdueMsMax)",
    tests: ["test/pace.test.ts"],
  },
  {
    file: pace,
    what: "a set that a caller has left has the time of any other",
    from: "within(leftMsMin, leftFactor * typicalMs)",
    to: "within(leftMsMin, overdueFactor * typicalMs)",
    tests: ["test/pace.test.ts"],
  },
];
