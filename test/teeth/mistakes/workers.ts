import type { Mutation } from "../mutation.ts";

const shares = "src/config/shares.ts";
const handoff = "src/workers/handoff.ts";
const totals = "src/workers/totals.ts";
const post = "src/workers/post.ts";

/** Mistakes in how a service of several processes is one. */
export const workers: readonly Mutation[] = [
  {
    file: shares,
    what: "each worker has all connections to the database",
    from: "connsMax: share(pool.connsMax),",
    to: "connsMax: pool.connsMax,",
    tests: ["test/config-workers.test.ts"],
  },
  {
    file: shares,
    what: "more workers may be asked for than there are connections",
    from: "if (scarce.length > 0)",
    to: "if (scarce.length > 9)",
    tests: ["test/config-workers.test.ts"],
  },
  {
    file: handoff,
    what: "all connections go to the first worker",
    from: "turns.set(port, turn + 1);",
    to: "turns.set(port, 0);",
    tests: ["test/handoff.test.ts"],
  },
  {
    file: handoff,
    what: "a connection that a dead worker had not taken stays open",
    from: "leave(): Waiting[] {\n      end();",
    to: "leave(): Waiting[] {",
    tests: ["test/handoff.test.ts"],
  },
  {
    file: handoff,
    what: "connections that wait for a worker that dies are lost",
    from: "leave().forEach(hand);",
    to: "leave();",
    tests: ["test/handoff.test.ts"],
  },
  {
    file: totals,
    what: "what a dead worker has counted is forgotten",
    from: "departed.push((last",
    to: "[[]].push([] as never, (last",
    tests: ["test/totals.test.ts"],
  },
  {
    file: totals,
    what: "a scrape waits for a worker that is dying",
    from: "await Promise.race([answered, other.ended, late]);",
    to: "await Promise.race([answered]);",
    tests: ["test/totals.test.ts"],
  },
  {
    file: post,
    what: "a worker that has died is not replaced",
    from: "again = setTimeout(start, waitMs);",
    to: "again = setTimeout(() => {}, waitMs);",
    tests: ["test/workers.test.ts"],
  },
  {
    file: handoff,
    what: "one address may take all places of connections that wait for workers",
    from: 'const peer = toPeer(socket.remoteAddress ?? "");',
    to: "const peer = String(socket.remotePort);",
    tests: ["test/handoff.test.ts"],
  },
  {
    file: handoff,
    what: "a worker that is stuck gets its share of connections",
    from: "!lane.isStuck()",
    to: "lane.length() >= 0",
    tests: ["test/handoff.test.ts"],
  },
  {
    file: "src/workers/crew.ts",
    what: "a worker that says why it cannot start is started again",
    from: "failure.isSaid",
    to: "failure === undefined",
    tests: ["test/workers-start.test.ts"],
  },
  {
    file: "src/workers/worker.ts",
    what: "a worker goes on without its leader",
    from: 'channel.gone.addEventListener("abort", () => drain.resolve());',
    to: "",
    tests: ["test/workers.test.ts"],
  },
  {
    file: "src/workers/entry.ts",
    what: "a signal to all processes ends the workers before they have drained",
    from: 'for (const name of ["SIGINT", "SIGTERM", "SIGUSR2"] as const)',
    to: 'for (const name of ["SIGHUP"] as const)',
    tests: ["test/workers.test.ts"],
  },
];
