import type { Mutation } from "../mutation.ts";

const turns = "src/rpc/turns.ts";
const largeReads = "src/rpc/large-reads.ts";

/** Mistakes in how calls take turns, and in the bounds that they keep to. */
export const turnsOfCalls: readonly Mutation[] = [
  {
    file: "src/bounds/connections.ts",
    what: "a connection may reset twice as many calls",
    from: 'max: 256,\n    reason: "TOO_MANY_RESETS"',
    to: 'max: 512,\n    reason: "TOO_MANY_RESETS"',
    tests: ["test/resets.test.ts"],
  },
  {
    file: turns,
    what: "all calls of one connection begin before those of the next one",
    from: "if (line.length > 0) lines.set(connection, line);",
    to: "while (line.length > 0 && left > 0) if (line.shift()!()) left -= 1;",
    tests: ["test/turns.test.ts"],
  },
  {
    file: turns,
    what: "calls that were given up begin",
    from: "if (stream.closed || stream.destroyed) return false;",
    to: "",
    tests: ["test/turns.test.ts"],
  },
  {
    file: turns,
    what: "an empty request that has ended before its turn waits for its end",
    from: 'if (stream.readableEnded) stream.emit("end");',
    to: "",
    tests: ["test/turns.test.ts"],
  },
  {
    file: turns,
    what: "what waits for its turn is not counted",
    from: "      waiting += 1;\n      schedule();",
    to: "      waiting = 1;\n      schedule();",
    tests: ["test/turns.test.ts"],
  },
  {
    file: "src/rpc/drain.ts",
    what: "a drain cuts calls that wait for their turn",
    from: " || listeners.some((listener) => listener.waiting() > 0)",
    to: "",
    tests: ["test/turns.test.ts"],
  },
  {
    file: "src/rpc/lifetime.ts",
    what: "a call is timed from its turn",
    from: "observer(incoming, nowMs - arrivedMs)",
    to: "observer(incoming)",
    tests: ["test/turns.test.ts"],
  },
  {
    file: turns,
    what: "what is left of a turn never has one",
    from: "      schedule();\n    }\n  };",
    to: "    }\n  };",
    tests: ["test/turns.test.ts"],
  },
  {
    file: turns,
    what: "a stream whose connection ends before its turn ends the process",
    from: '    stream.on("error", ignore);\n',
    to: "",
    tests: ["test/resets.test.ts"],
  },
  {
    file: largeReads,
    what: "what leaves its answers unread keeps its place",
    from: "      leave();\n      throw",
    to: "      throw",
    tests: ["test/large-reads.test.ts"],
  },
  {
    file: largeReads,
    what: "batches are never large",
    from: ' || fieldKind === "list"',
    to: "",
    tests: ["test/large-reads.test.ts"],
  },
  {
    file: largeReads,
    what: "what leaves its answers unread waits for its turn first",
    from: "      if (!hasRoom()) throw unreadAnswers();\n",
    to: "",
    tests: ["test/large-reads.test.ts"],
  },
  {
    file: "src/queue.ts",
    what: "a caller fills the queue",
    from: "max: lengthMax, floor: lengthFloor",
    to: "max: lengthMax, floor: lengthMax",
    tests: ["test/large-reads.test.ts"],
  },
];
