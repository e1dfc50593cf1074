import { Counter, Gauge, Registry } from "prom-client";
import { expect, test } from "vitest";
import type { Metrics } from "../src/workers/messages.ts";
import { createTotals } from "../src/workers/totals.ts";

/** The metrics of a process that has answered some calls and uses some connections. */
async function metricsOf(calls: number, used: number, lag = 0): Promise<Metrics> {
  const registers = [new Registry()];
  new Counter({ name: "calls_total", help: ".", labelNames: ["code"], registers }).inc({ code: "OK" }, calls);
  new Gauge({ name: "used", help: ".", registers }).set(used);
  new Gauge({ name: "nodejs_eventloop_lag_p99_seconds", help: ".", registers }).set(lag);
  return registers[0]!.getMetricsAsJSON();
}

/** A leader that has counted nothing, and workers that answer at once, or never. */
function startTotals() {
  const totals = createTotals(() => metricsOf(0, 0));
  const worker = (metrics?: Promise<Metrics>) => {
    const ended = Promise.withResolvers<never>();
    const own = {
      ended: ended.promise,
      end: () => ended.resolve(undefined as never),
      send: (message: { kind: string; id?: number }) =>
        void metrics?.then((each) => totals.answer(own, message.id!, each)),
    };
    return own;
  };
  const read = async (...workers: readonly ReturnType<typeof worker>[]): Promise<string[]> => {
    const { body } = await totals.scrape(workers);
    return body.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  };
  return { totals, worker, read };
}

test("adds up what is counted and used, and tells the lag of the slowest process", async () => {
  const { worker, read } = startTotals();

  const lines = await read(worker(metricsOf(3, 1, 0.25)), worker(metricsOf(4, 2, 0.5)));

  expect(lines).toEqual(['calls_total{code="OK"} 7', "used 3", "nodejs_eventloop_lag_p99_seconds 0.5"]);
});

test("what a worker had counted when it ended stays counted, and what it used is not used any more", async () => {
  const { totals, worker, read } = startTotals();
  const [lost, other] = [worker(metricsOf(3, 1)), worker(metricsOf(4, 2))];
  await read(lost, other);

  totals.left(lost);
  const lines = [await read(other), await read(other)];

  const expected = ['calls_total{code="OK"} 7', "used 2", "nodejs_eventloop_lag_p99_seconds 0"];
  expect(lines).toEqual([expected, expected]);
});

test("a scrape waits neither for a worker that ends nor long for one that does not answer", async () => {
  const { worker, read } = startTotals();
  const [answering, dying, stuck] = [worker(metricsOf(4, 2)), worker(), worker()];

  const beganMs = performance.now();
  const afterEnd = read(answering, dying);
  dying.end();
  const first = await afterEnd;
  const endMs = performance.now() - beganMs;
  const second = await read(answering, stuck);

  expect([first[0], second[0]]).toEqual(['calls_total{code="OK"} 4', 'calls_total{code="OK"} 4']);
  expect(endMs).toBeLessThan(900);
});
