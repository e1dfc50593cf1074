import { expect, test } from "vitest";
import { createSpareCores } from "../src/services/spare-cores.ts";

/** An event loop that has worked for so many of the last milliseconds. */
function loopOf(busyMs: number, ms = 1_000) {
  return () => ({ active: busyMs, idle: ms - busyMs, utilization: busyMs / ms });
}

test.each<[string, number, number, number, number, number]>([
  ["an idle loop on two cores leaves both", 1, 2, 100, 2, 1],
  ["a busy loop on two cores keeps one", 1, 2, 900, 1, 1],
  ["a busy loop keeps none where there is only one", 1, 1, 900, 1, 1],
  ["two workers share four cores", 2, 4, 100, 2, 1],
  ["two workers share what their loops leave of eight cores", 2, 8, 900, 3, 3],
  ["one thread of the pool is left to others", 1, 16, 100, 3, 3],
  ["more workers than cores have one each", 4, 2, 100, 1, 1],
])("%s", (_, workers, cores, busyMs, now, beside) => {
  const spare = createSpareCores(workers, cores, loopOf(busyMs));

  expect([spare.now(), spare.beside]).toEqual([now, beside]);
});

test("a moment says nothing of the loop: it counts as busy until there is more to go by", () => {
  expect(createSpareCores(1, 2, loopOf(0, 10)).now()).toBe(1);
});
