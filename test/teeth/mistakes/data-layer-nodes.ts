import type { Mutation } from "../mutation.ts";

const nodes = "src/db/engine/nodes.ts";
const core = ["test/nodes.test.ts"];

/** Mistakes in what is made of the nodes of a cluster. */
export const nodeMutations: readonly Mutation[] = [
  {
    file: nodes,
    what: "a node that stops is used until it breaks connections",
    from: 'fault === "leaving" ? faultsMax : 1',
    to: "1",
    tests: core,
  },
  {
    file: nodes,
    what: "a node is avoided for ever",
    from: "      node.isHealthy = true;\n",
    to: "",
    tests: core,
  },
  {
    file: nodes,
    what: "a node is back because an old connection ends what it had begun",
    from: "if (!node.isHealthy && madeAt <= node.failedAt) return;",
    to: "",
    tests: core,
  },
  {
    file: nodes,
    what: "a node that may be back gets all connections at once",
    from: "  node.tryAt = now + jitter(node.backoffMs);\n  return true;",
    to: "  return true;",
    tests: core,
  },
  {
    file: nodes,
    what: "a node that is used though it fails gets no new connection, and is suspected for ever",
    from: "      if (!node.isHealthy) return isDue(node, now(), jitter);\n",
    to: "",
    tests: core,
  },
  {
    file: nodes,
    what: "where all nodes fail none is used",
    from: "return isHealthy || madeAt > failedAt || isAlone(nodes);",
    to: "return isHealthy || madeAt > failedAt;",
    tests: core,
  },
  {
    file: nodes,
    what: "a node that goes on failing is tried as often as one that has failed once",
    from: "isAgain ? Math.min(2 * node.backoffMs, backoffMsMax) : backoffMsBase",
    to: "backoffMsBase",
    tests: core,
  },
  {
    file: nodes,
    what: "all connections of a full node are closed at once",
    from: "retireAt = now() + jitter(retireMs);",
    to: "retireAt = now();",
    tests: core,
  },
  {
    file: nodes,
    what: "no connection is made to see whether a node is back",
    from: "isHealthy || now >= tryAt",
    to: "isHealthy",
    tests: core,
  },
  {
    file: "src/db/migrate/readiness.ts",
    what: "a node that hangs with the connection that asks for readiness takes the service away",
    from: "(isCluster || isPaused || isBusy)",
    to: "(isPaused || isBusy)",
    tests: ["test/cockroach-nodes.test.ts"],
  },
  {
    file: "src/db/engine/attempt.ts",
    what: "a node is blamed for another one whose session it cannot end",
    from: "    progress.asksOthers = true;\n",
    to: "",
    tests: ["test/attempt.test.ts"],
  },
  {
    file: "src/db/engine/judge.ts",
    what: "a node that drains is taken for one that is silent",
    from: '{ disposition: "disconnected", atCommit: "ambiguous", nodeFault: "leaving" }',
    to: '{ disposition: "disconnected", atCommit: "ambiguous", nodeFault: "silent" }',
    tests: ["test/judge.test.ts"],
  },
  {
    file: "src/db/engine/connection.ts",
    what: "all connections are made to one host",
    from: "hosts[made++ % hosts.length]!",
    to: "hosts[made % hosts.length]!",
    tests: ["test/service/hosts.test.ts"],
  },
  {
    file: "src/db/engine/connection.ts",
    what: "a start that does not reach one host does not try the others",
    from: "  for (const host of others) attempt =",
    to: "  for (const host of others.slice(9)) attempt =",
    tests: ["test/service/hosts.test.ts"],
  },
  {
    file: "src/db/engine/cancel-request.ts",
    what: "a cancellation goes to another host than its connection",
    from: "const { host = connection.host, port = connection.port } = place;",
    to: "const { host, port } = { ...place, ...connection };",
    tests: ["test/cancel.test.ts"],
  },
];
