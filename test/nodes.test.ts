import fc from "fast-check";
import { expect, test } from "vitest";
import { createNodes, type Nodes } from "../src/db/engine/nodes.ts";

/** A cluster at a time that the test owns, with as many connections as the counts say, made at 0. */
function cluster(counts: Readonly<Record<string, number>>) {
  const told: string[] = [];
  const clock = { ms: 1 };
  const nodes = createNodes({
    observer: {
      nodeFailed: (node, fault) => told.push(`${node} failed: ${fault}`),
      nodeIsBack: (node) => told.push(`${node} is back`),
    },
    now: () => clock.ms,
    random: () => 0.5,
  });
  for (const [node, count] of Object.entries(counts))
    for (let each = 0; each < count; each++) nodes.opened(node);
  return { nodes, told, clock };
}

/** How many connections each node has. */
function countsOf(nodes: Nodes): Record<string, number> {
  return Object.fromEntries([...nodes.states()].map(([node, { connections }]) => [node, connections]));
}

test("a node that says that it stops is avoided at once", () => {
  const { nodes, told } = cluster({ 1: 2, 2: 2 });

  nodes.failed("1", 0, "leaving");

  expect([nodes.mayUse("1", 0), nodes.mayUse("2", 0)]).toEqual([false, true]);
  expect(told).toEqual(["1 failed: leaving"]);
});

test("a connection that broke makes its node suspected, a second one has it avoided", () => {
  const { nodes } = cluster({ 1: 2, 2: 2 });

  nodes.failed("1", 0, "silent");
  const once = [nodes.isSuspected("1"), nodes.mayUse("1", 0)];
  nodes.failed("1", 0, "silent");

  expect(once).toEqual([true, true]);
  expect(nodes.mayUse("1", 0)).toBe(false);
});

test("a node that has answered since is not suspected any more", () => {
  const { nodes, told } = cluster({ 1: 2, 2: 2 });

  nodes.failed("1", 0, "silent");
  nodes.answered("1", 0);
  nodes.failed("1", 0, "silent");

  expect(nodes.mayUse("1", 0)).toBe(true);
  expect(told).toEqual([]);
});

test("where no node is healthy all are used", () => {
  const { nodes } = cluster({ 1: 2, 2: 2 });

  nodes.failed("1", 0, "leaving");
  nodes.failed("2", 0, "leaving");

  expect([nodes.mayUse("1", 0), nodes.mayTry("2")]).toEqual([true, true]);
});

test("a node that has failed is tried by one connection at a time, after a wait", () => {
  const { nodes, clock } = cluster({ 1: 2, 2: 2 });
  nodes.failed("1", 0, "leaving");

  const atOnce = nodes.mayTry("1");
  clock.ms += 2_000;
  const later = [nodes.mayTry("1"), nodes.mayTry("1")];

  expect([atOnce, ...later]).toEqual([false, true, false]);
});

test("the connection that tries a node is used, and has the node back once it was of use", () => {
  const { nodes, told, clock } = cluster({ 1: 2, 2: 2 });
  nodes.failed("1", 0, "leaving");
  clock.ms += 2_000;

  // An older one may still end what it had begun.
  nodes.answered("1", 0);
  const before = [nodes.mayUse("1", clock.ms), nodes.mayUse("1", 0)];
  nodes.answered("1", clock.ms);

  expect(before).toEqual([true, false]);
  expect([nodes.mayTry("1"), nodes.mayTry("1"), nodes.areFailing()]).toEqual([true, true, false]);
  expect(told).toEqual(["1 failed: leaving", "1 is back"]);
});

test("a node that goes on failing is left alone for longer and longer, up to a minute", () => {
  const { nodes, told, clock } = cluster({ 1: 2, 2: 2 });
  const waits: number[] = [];

  nodes.failed("1", 0, "leaving");
  for (let tries = 0; tries < 8; tries++) {
    const since = clock.ms;
    while (!nodes.mayTry("1")) clock.ms += 500;
    waits.push(clock.ms - since);
    nodes.failed("1", clock.ms, "silent");
  }

  expect(waits).toEqual([2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
  expect(told).toEqual(["1 failed: leaving"]);
});

test("connections that were made before a node failed do not make it fail again", () => {
  const { nodes, clock } = cluster({ 1: 2, 2: 2 });
  nodes.failed("1", 0, "leaving");
  clock.ms += 2_000;

  nodes.failed("1", 0, "silent");

  expect(nodes.mayTry("1")).toBe(true);
});

test("a node that has failed and has no connection is forgotten after ten minutes", () => {
  const { nodes, clock } = cluster({ 1: 1, 2: 2 });
  nodes.failed("1", 0, "leaving");
  nodes.closed("1");

  const before = [...nodes.states().keys()];
  clock.ms += 10 * 60_000 + 1;

  expect(before).toEqual(["1", "2"]);
  expect([...nodes.states().keys()]).toEqual(["2"]);
  expect(nodes.areFailing()).toBe(false);
});

test("connections of the fullest node are retired, one each five seconds", () => {
  const { nodes, clock } = cluster({ 1: 6, 2: 2, 3: 1 });

  const first = [nodes.retires("2"), nodes.retires("1"), nodes.retires("1")];
  clock.ms += 5_000;

  expect(first).toEqual([false, true, false]);
  expect(nodes.retires("1")).toBe(true);
});

test("a connection is retired to see whether a node is back", () => {
  const { nodes, clock } = cluster({ 1: 1, 2: 4, 3: 4 });
  nodes.failed("1", 0, "leaving");
  nodes.closed("1");

  const before = nodes.retires("2");
  clock.ms += 10_000;

  expect(before).toBe(false);
  expect(nodes.retires("2")).toBe(true);
});

test("a node that is used though it fails gets a new connection now and then, which has it back", () => {
  const { nodes, clock } = cluster({ 1: 4 });
  nodes.failed("1", 0, "leaving");

  const atOnce = nodes.retires("1");
  clock.ms += 2_000;
  const later = [nodes.retires("1"), nodes.retires("1")];
  nodes.answered("1", clock.ms);

  expect([atOnce, ...later]).toEqual([false, true, false]);
  expect([nodes.isSuspected("1"), nodes.areFailing(), nodes.retires("1")]).toEqual([false, false, false]);
});

test("connections that are retired and made at chance are spread in the end, and stay so", () => {
  const counts = fc.array(fc.nat(20), { minLength: 2, maxLength: 6 });
  fc.assert(
    fc.property(counts, fc.infiniteStream(fc.nat()), (given, chance) => {
      const names = given.map((_, n) => `${n + 1}`);
      const { nodes, clock } = cluster(Object.fromEntries(given.map((count, n) => [`${n + 1}`, count + 1])));
      const share = Math.ceil((given.reduce((sum, n) => sum + n, 0) + given.length) / given.length);

      let retired = 0;
      for (let step = 0; step < 1_000; step++, clock.ms += 10_000)
        for (const name of names)
          if (nodes.retires(name)) {
            retired++;
            nodes.closed(name);
            nodes.opened(names[chance.next().value! % names.length]!);
          }

      expect(retired).toBeLessThan(1_000);
      expect(Math.max(...Object.values(countsOf(nodes)))).toBeLessThanOrEqual(share);
    }),
    { numRuns: 50 },
  );
});
