import { setTimeout as delay } from "node:timers/promises";
import type { Cluster } from "../support/cockroach/cluster.ts";
import type { Random } from "./random.ts";

/** Outages of single nodes of an emulated cluster, one after the other, until they are ended. */
export type NodeOutages = {
  readonly injected: ReadonlyMap<string, number>;
  /** Resolves when all nodes are back. */
  end(): Promise<void>;
};

const pauseMs = { min: 200, max: 1_500 };
/** From less than an attempt takes to more than one waits. */
const outageMs = { min: 20, max: 500 };
const kinds = ["drain", "kill", "hang"] as const;

export function startNodeOutages(cluster: Cluster, random: Random): NodeOutages {
  const injected = new Map<string, number>();
  const ending = new AbortController();
  const pause = ({ min, max }: typeof pauseMs): Promise<unknown> =>
    delay(random.between(min, max), undefined, { signal: ending.signal }).catch(() => {});

  async function run(): Promise<void> {
    for (;;) {
      await pause(pauseMs);
      if (ending.signal.aborted) return;
      const [kind, node] = [random.pick(kinds), random.between(1, cluster.nodes.length)];
      injected.set(`${kind}_node`, (injected.get(`${kind}_node`) ?? 0) + 1);
      await cluster[kind](node);
      await pause(outageMs);
      await cluster.revive(node);
    }
  }

  const running = run();
  return {
    injected,
    async end() {
      ending.abort();
      await running;
    },
  };
}
