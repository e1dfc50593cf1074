import { availableParallelism } from "node:os";
import { expect, test } from "vitest";
import { parseConfig } from "../src/config.ts";
import { shareOf } from "../src/config/shares.ts";
import { findProblems } from "./support/problems.ts";

test("auto is a worker for each core, and no more than there are connections", () => {
  const [cores, few] = [{}, { CRDB_MAX_CONNS: "1" }].map((env) => parseConfig({ WORKERS: "auto", ...env }));

  expect(cores!.workers).toBe(Math.min(availableParallelism(), 25));
  expect(few!.workers).toBe(1);
});

test.each(["0", "129", "two", "1.5"])("WORKERS=%s is refused", (text) => {
  expect(findProblems({ WORKERS: text })).toEqual([
    `WORKERS: must be auto or a whole number from 1 to 128, not "${text}"`,
  ]);
});

test("limits that have less than one for each worker are refused, all in one line", () => {
  const env = { WORKERS: "4", CRDB_MAX_CONNS: "3", STREAM_IN_FLIGHT_MAX: "2" };

  expect(findProblems(env)).toEqual([
    "WORKERS, CRDB_MAX_CONNS, STREAM_IN_FLIGHT_MAX: 4 workers share these limits, and each needs one of each",
  ]);
});

test("the shares of the workers add up to the limits of the service", () => {
  const env = { WORKERS: "3", CRDB_MAX_CONNS: "25", CRDB_MIN_CONNS: "5", STREAM_IN_FLIGHT_MAX: "5" };
  const config = parseConfig(env);

  const shares = [1, 2, 3].map((number) => shareOf(config, number));

  expect(shares.map(({ pool }) => [pool.connsMax, pool.connsMin, pool.queueMax])).toEqual([
    [9, 2, 342],
    [8, 2, 341],
    [8, 1, 341],
  ]);
  expect(shares.map(({ calls }) => [calls.inFlightMax, calls.streamsMax])).toEqual([
    [342, 2],
    [341, 2],
    [341, 1],
  ]);
  // A peer that may have 1,024 gets as many wherever its first one has gone.
  expect(shares.map(({ connections }) => [connections.max, connections.peerMax])).toEqual([
    [683, 342],
    [683, 342],
    [682, 342],
  ]);
});
