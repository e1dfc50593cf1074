import { setTimeout as delay } from "node:timers/promises";
import { Code, ConnectError, type CallOptions } from "@connectrpc/connect";
import { startServer } from "../../src/server.ts";
import { execute, type TestDatabase } from "../support/databases.ts";
import { startProxy } from "../support/proxy.ts";
import { openShop } from "../support/shop.ts";
import {
  callReplica,
  heldUp,
  wishes,
  type HeldUp,
  type Kind,
  type Replica,
  type Wish,
} from "../support/wishes.ts";

/** Makes an empty database, which its user disposes of. */
export type MakeDatabase = () => Promise<TestDatabase>;

/** What the first and the second caller were told, and whether what both asked for has happened. */
export type Revival = { readonly answers: readonly string[]; readonly hasHappened: boolean };

/** Two replicas on one database, the first of which reaches it through a proxy. */
async function openReplicas(database: MakeDatabase) {
  await using opening = new AsyncDisposableStack();
  const shop = opening.use(await openShop({}, { through: startProxy, database }));
  const { connection, engine, config } = shop;
  const server = opening.use(
    await startServer({ ...config, database: { kind: "remote", connection, engine } }),
  );
  const open = opening.move();
  const second = callReplica(server.grpc.port);
  return { shop, second, [Symbol.asyncDispose]: () => open.disposeAsync() };
}

type Replicas = Awaited<ReturnType<typeof openReplicas>>;

/**
 * Cuts the first replica off from the database as soon as it sends a statement, which stays in the network:
 * it can neither cancel it nor end its session.
 */
function cutOffWith({ shop: { proxy } }: Replicas, statement: string) {
  const [sent, arrives, over] = Array.from({ length: 3 }, () => Promise.withResolvers<void>());
  const healed = Promise.withResolvers<void>();
  let isCut = false;
  proxy.decide = (exchange) => {
    if (isCut) return { kind: "stall", until: healed.promise };
    if (exchange.statement !== statement) return undefined;
    isCut = true;
    proxy.refuse("refuse");
    sent!.resolve();
    return { kind: "stall", until: arrives!.promise, hasLeft: true, over: over!.resolve };
  };
  return {
    sent: sent!.promise,
    /** Lets the statement arrive, and waits for its end. */
    async arrive(): Promise<void> {
      arrives!.resolve();
      await over!.promise;
    },
    heal(): void {
      proxy.decide = () => undefined;
      proxy.refuse(undefined);
      healed.resolve();
    },
  };
}

/**
 * Has a caller ask until its call is on its way, and then leave: a busy replica may take its database for
 * away, and send nothing. Returns what the caller was told.
 */
async function leave(
  ask: (options: CallOptions) => Promise<string>,
  isOff: Promise<unknown>,
): Promise<string> {
  for (;;) {
    const caller = new AbortController();
    const answer = ask({ signal: caller.signal });
    if (!(await Promise.race([isOff.then(() => true), answer.then(() => false)]))) continue;
    caller.abort();
    return answer;
  }
}

/**
 * Has a caller leave the first replica, which is cut off; asks the second one; permits what it has refused;
 * and lets arrive what the first one had sent.
 */
export async function arriveLate(database: MakeDatabase, { statement, make }: Kind): Promise<Revival> {
  await using replicas = await openReplicas(database);
  const { shop, second } = replicas;
  const wish = await make(second, shop);
  const network = cutOffWith(replicas, statement);
  const left = await leave((options) => wish.ask(shop, options), network.sent);
  const answers = [left, await askPresent(second, wish)];
  await wish.permit();
  await network.arrive();
  const hasHappened = await wish.hasHappened();
  network.heal();
  return { answers, hasHappened };
}

/** For ten seconds the service tries to end the session of a call that is over. */
const forgottenMs = 10_500;

/**
 * Has a caller leave a replica that is cut off until it has forgotten the call; asks the same replica again,
 * which is back; permits what it has refused; and lets arrive what it had sent.
 */
export async function arriveForgotten(database: MakeDatabase, { statement, make }: Kind): Promise<Revival> {
  await using replicas = await openReplicas(database);
  const { shop, second } = replicas;
  const wish = await make(second, shop);
  const network = cutOffWith(replicas, statement);
  const left = await leave((options) => wish.ask(shop, options), network.sent);
  await delay(forgottenMs);
  network.heal();
  const answers = [left, await askPresent(shop, wish)];
  await wish.permit();
  await network.arrive();
  return { answers, hasHappened: await wish.hasHappened() };
}

/** Asks until the replica has found out that the database is there. */
async function askPresent(replica: Replica, wish: Wish): Promise<string> {
  for (;;) {
    const answer = await wish.ask(replica);
    if (answer !== "DATABASE_UNAVAILABLE") return answer;
  }
}

/**
 * Has a caller leave the first replica, which is cut off, while the call waits in the database for the row of
 * the one beside it, with which it shares a statement; asks the second replica; permits what that has
 * refused; and lets go of the row.
 */
export async function getLock(database: MakeDatabase, { statement, make }: Kind<HeldUp>): Promise<Revival> {
  await using replicas = await openReplicas(database);
  const { shop, second } = replicas;
  const wish = await make(second, shop);
  const held = await wish.hold();
  const network = cutOffWith(replicas, statement);
  const waiting = network.sent.then(async () => {
    const over = network.arrive();
    await untilLocked(shop);
    return { over };
  });
  const left = await leave((options) => wish.askBeside(shop, options), waiting);
  const { over: arrived } = await waiting;
  const answers = [left, await askPresent(second, wish)];
  await wish.permit();
  await held[Symbol.asyncDispose]();
  await arrived;
  const hasHappened = await wish.hasHappened();
  network.heal();
  return { answers, hasHappened };
}

/** Resolves when a session waits for a lock. */
async function untilLocked({ connection }: Replicas["shop"]): Promise<void> {
  const waiting = `select from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock' and wait_event <> 'advisory'`;
  while ((await execute(connection, waiting)).length === 0) await delay(10);
}

/** How a refused call could happen later: what plays it for each kind of call, and how many at once. */
const forms = [
  { what: "what another replica has sent arrives", play: arriveLate, kinds: wishes, atOnce: 4 },
  { what: "another replica's statement gets its lock", play: getLock, kinds: heldUp, atOnce: 4 },
  {
    what: "what was sent before a cut of ten seconds arrives",
    play: arriveForgotten,
    kinds: { CreateOrder: wishes["CreateOrder"]! },
    atOnce: 25,
  },
] as const;

/**
 * Plays each form `times` times for each kind of call, and returns how many calls that had been refused
 * happened afterwards. `report` is told of each kind.
 */
export async function revive(
  database: MakeDatabase,
  times: number,
  report: (line: string) => void,
): Promise<number> {
  let all = 0;
  for (const { what, play, kinds, atOnce } of forms)
    for (const [name, kind] of Object.entries(kinds)) {
      const { refused, revived } = await repeat(times, atOnce, async () => {
        const { answers, hasHappened } = await play(database, kind as never);
        return { isRefused: answers[1] === kind.reason, hasHappened };
      });
      report(`${name}: ${what}: ${revived} of ${refused} refused calls happened, in ${times} rounds`);
      all += revived;
    }
  return all;
}

/** Plays until nothing but what is played was in the way: a busy replica may take its database for away. */
async function playToEnd<T>(play: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await play();
    } catch (error) {
      if (ConnectError.from(error).code !== Code.Unavailable) throw error;
    }
  }
}

async function repeat(
  times: number,
  atOnce: number,
  play: () => Promise<{ readonly isRefused: boolean; readonly hasHappened: boolean }>,
): Promise<{ readonly refused: number; readonly revived: number }> {
  let [left, refused, revived] = [times, 0, 0];
  const work = async (): Promise<void> => {
    while (left-- > 0) {
      const { isRefused, hasHappened } = await playToEnd(play);
      if (!isRefused) continue;
      refused++;
      if (hasHappened) revived++;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return { refused, revived };
}
