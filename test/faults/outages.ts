import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import type { Connection } from "../../src/config.ts";
import { toClientConfig } from "../../src/db/engine/connection.ts";
import type { Random } from "./random.ts";
import type { Replica } from "./replica.ts";

/** What breaks for longer than a caller of several replicas waits. */
export const outageNames = ["partition", "lock", "die"] as const;

export type OutageName = (typeof outageNames)[number];

/** Outages of one replica, one after the other, until they are ended. */
export type Outages = {
  /** While the replica is cut off from its database: when it is back. What was sent arrives then. */
  readonly healed: () => Promise<unknown> | undefined;
  /** Resolves when all is as it was before. */
  end(): Promise<void>;
};

const pauseMs = { min: 50, max: 1_000 };
/** From less than a caller waits to much longer. */
const partitionMs = { min: 100, max: 2_000 };
/** How much later a network that is back lets new connections through: those who connect try rarely. */
const reconnectMs = { min: 0, max: 1_500 };
/** Mostly short, so that there is time for more. */
const lockMs = { min: 100, max: [400, 3_000] };
/** The others are over soon; a start takes a second. */
const dying = 0.15;
/** How long the database keeps the connections of a machine that has died. */
const lingerMsMax = 1_500;

/** Begins outages; `renew` is told when another service runs in the place of one that died. */
export function startOutages(
  replica: Replica,
  upstream: Connection,
  random: Random,
  names: readonly OutageName[],
  observer: { readonly began: (name: OutageName) => void; readonly renewed: () => void },
): Outages {
  const ending = new AbortController();
  let healed: Promise<unknown> | undefined;
  const pause = ({ min, max }: typeof pauseMs): Promise<unknown> =>
    delay(random.between(min, max), undefined, { signal: ending.signal }).catch(() => {});

  async function run(): Promise<void> {
    while (names.length > 0) {
      await pause(pauseMs);
      if (ending.signal.aborted) return;
      const rarer = names.filter((each) => each !== "die" || random.chance(dying));
      if (rarer.length === 0) continue;
      const name = random.pick(rarer);
      observer.began(name);
      await suffer(name);
    }
  }

  async function suffer(name: OutageName): Promise<void> {
    switch (name) {
      case "partition":
        healed = pause(partitionMs);
        replica.proxy.refuse(random.pick(["refuse", "silence"]));
        await healed;
        healed = undefined;
        await pause(reconnectMs);
        replica.proxy.refuse(undefined);
        return;
      case "lock":
        return holdRow(upstream, random, () => pause({ min: lockMs.min, max: random.pick(lockMs.max) }));
      case "die":
        await replica.die(random.between(0, lingerMsMax));
        return observer.renewed();
      default:
        name satisfies never;
    }
  }

  const running = run();
  return {
    healed: () => healed,
    async end() {
      ending.abort();
      await running;
    },
  };
}

/** So that sessions which hold rows do not wait for one another for long. */
const waitMsMax = 300;

/** Holds the row of a product, or of one of the latest orders, as another program that uses it does. */
async function holdRow(upstream: Connection, random: Random, held: () => Promise<unknown>): Promise<void> {
  const [table, count] = random.pick([["products", 5] as const, ["orders", 8] as const]);
  const offset = random.between(0, count - 1);
  const client = new pg.Client(toClientConfig(upstream));
  client.on("error", () => {});
  await client.connect();
  try {
    await client.query(`begin; set local lock_timeout = ${waitMsMax}`);
    const select = `select id from ${table} order by create_time desc limit 1 offset ${offset} for update`;
    // Where somebody else has the row for long, that is as good.
    await client.query(select).catch(() => {});
    await held();
  } finally {
    await client.end();
  }
}
