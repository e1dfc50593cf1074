import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";

/** The values of a metric's labels. */
type Labels<L extends string> = Readonly<Record<L, string>>;

/** Metrics as a scrape gets them. */
export type Scraped = { readonly contentType: string; readonly body: string };

/** A metric: its name by Prometheus' conventions, its meaning, and the names of its labels. */
type About<L extends string> = {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly L[];
};

/** Metrics as functions, so that those who count do not depend on the library. */
export type Metrics = {
  /** Creates a counter; `by` is 1 by default. */
  readonly counter: <L extends string = never>(about: About<L>) => (labels: Labels<L>, by?: number) => void;
  /** Creates a histogram. Its function is given labels once, and then many values. */
  readonly histogram: <L extends string = never>(
    about: About<L> & { readonly buckets: readonly number[] },
  ) => (labels: Labels<L>) => (value: number) => void;
  /** Registers a gauge that is read by scrapes only; what it does not name any more is not told any more. */
  readonly gauge: <L extends string = never>(about: About<L>, read: () => readonly Sample<L>[]) => void;
  /** Registers a gauge of one value. */
  readonly value: (name: string, help: string, read: () => number) => void;
  /** All metrics in Prometheus' text format. */
  readonly scrape: () => Promise<Scraped>;
  /** All metrics as data, to be added to those of other processes. */
  readonly metrics: Registry["getMetricsAsJSON"];
};

/** One value of a gauge. */
export type Sample<L extends string> = readonly [labels: Labels<L>, value: number];

/** Seconds from half a millisecond, a read from memory, to the longest deadline of a unary call. */
export const secondsBuckets = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
];

/** Gauges of the library that are named as counters; others by resource tell the same. */
const misnamed = ["handles", "requests", "resources"].map((what) => `nodejs_active_${what}_total`);

/** Creates a registry with the metrics of the process itself. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const name of misnamed) registry.removeSingleMetric(name);
  const registers = [registry];
  const gauge: Metrics["gauge"] = ({ name, help, labels = [] }, read) => {
    const collect = (): void => {
      made.reset();
      for (const [values, value] of read()) made.set(values, value);
    };
    const made: Gauge = new Gauge({ name, help, labelNames: labels, registers, collect });
  };
  return {
    counter({ name, help, labels = [] }) {
      const counter = new Counter<string>({ name, help, labelNames: labels, registers });
      return (values, by = 1) => counter.inc(values, by);
    },
    histogram({ name, help, buckets, labels = [] }) {
      const options = { name, help, labelNames: labels, buckets: [...buckets], registers };
      const histogram = new Histogram<string>(options);
      return (values) => {
        const child = histogram.labels(values);
        return (value) => child.observe(value);
      };
    },
    gauge,
    value: (name, help, read) => gauge({ name, help }, () => [[{}, read()]]),
    scrape: async () => ({ contentType: registry.contentType, body: await registry.metrics() }),
    metrics: () => registry.getMetricsAsJSON(),
  };
}
