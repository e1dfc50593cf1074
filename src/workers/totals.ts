import { AggregatorRegistry, type Registry } from "prom-client";
import type { Scraped } from "../telemetry/metrics.ts";
import type { Member } from "./member.ts";
import type { Metrics } from "./messages.ts";

/** A process whose metrics are added to those of the others. */
type Counted = Pick<Member, "send" | "ended">;

/** The metrics of a service of several processes. */
export type Totals = {
  /** Adds up the metrics of this process and others'; those that do not answer count as they last did. */
  readonly scrape: (others: readonly Counted[]) => Promise<Scraped>;
  readonly answer: (from: Counted, id: number, metrics: Metrics) => void;
  /** What a process that has ended has counted stays in the sums, as the last scrape has found it. */
  readonly left: (other: Counted) => void;
};

/** A process that takes longer is ending, or has no time for anything else. */
const answerMsMax = 1_000;

/**
 * How the values of metrics become one, where they are not added up. A slow process must not vanish in an
 * average: the lag of the event loop is that of the slowest one.
 */
const aggregators: Readonly<Record<string, Metrics[number]["aggregator"]>> = {
  process_start_time_seconds: "min",
  nodejs_eventloop_lag_seconds: "max",
  nodejs_eventloop_lag_mean_seconds: "max",
  nodejs_eventloop_lag_stddev_seconds: "max",
  nodejs_eventloop_lag_p50_seconds: "max",
  nodejs_eventloop_lag_p90_seconds: "max",
  nodejs_eventloop_lag_p99_seconds: "max",
  db_client_node_healthy: "min",
  commerce_tls_certificate_expiry_timestamp_seconds: "min",
};

export function createTotals(own: () => Promise<Metrics>): Totals {
  const waiting = new Map<number, () => void>();
  const last = new Map<Counted, Metrics>();
  /** What processes have counted that have ended. */
  let departed: Metrics[] = [];
  let asked = 0;
  const ask = async (other: Counted): Promise<void> => {
    const id = (asked += 1);
    const answered = new Promise<void>((resolve) => waiting.set(id, resolve));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, answerMsMax)));
    other.send({ kind: "scrape", id });
    await Promise.race([answered, other.ended, late]);
    clearTimeout(timer);
    waiting.delete(id);
  };
  return {
    async scrape(others) {
      await Promise.all(others.map(ask));
      const { length } = departed;
      const sum = await add(departed).getMetricsAsJSON();
      departed = [sum, ...departed.slice(length)];
      const mine = await own();
      const total = add([mine, ...departed, ...last.values()]);
      return { contentType: total.contentType, body: await total.metrics() };
    },
    answer(from, id, metrics) {
      // A late answer of a process that has ended would be counted twice.
      if (!waiting.has(id)) return;
      last.set(from, metrics);
      waiting.get(id)?.();
    },
    left(other) {
      // A sum that shrinks looks like a service that has begun anew, and what is left of it like new calls.
      departed.push((last.get(other) ?? []).filter(({ type }) => counts.has(String(type))));
      last.delete(other);
    },
  };
}

/** The kinds of metrics that only grow. */
const counts: ReadonlySet<string> = new Set(["counter", "histogram"]);

function add(metrics: readonly Metrics[]): Registry {
  return AggregatorRegistry.aggregate(
    metrics.map((each) =>
      each.map((metric) => ({ ...metric, aggregator: aggregators[metric.name] ?? metric.aggregator })),
    ),
  );
}
