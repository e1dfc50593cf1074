import { kill } from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { startEmbedded } from "../../src/db/embedded/embedded.ts";
import { UserService } from "../../src/gen/commerce/user/v1/user_service_pb.ts";
import {
  Health,
  HealthCheckResponse_ServingStatus as Serving,
} from "../../src/gen/grpc/health/v1/health_pb.ts";
import type { Entry } from "./history.ts";
import { makeDirectory } from "./leftovers.ts";
import { createRandom } from "./random.ts";
import { startRig, type Finding } from "./rig.ts";

/** What happened while the database was killed. */
export type Kills = { readonly history: readonly Entry[]; readonly findings: readonly Finding[] };

/**
 * Calls that are answered between two deaths: enough for each kind of them to be under way at the next one.
 */
const answersBetween = 150;
/** What is promised: the service finds its database again by itself, and soon. */
const readyMsMax = 2_000;
/** Callers are patient: a start after a crash takes seconds on a busy disk. */
const attemptsMax = 10_000;

/**
 * Kills the database of a service under load (F13), `times` times, and starts it again on its files. `report`
 * is told how many milliseconds the service needed to answer again once the database was back.
 */
export async function killDatabase(
  seed: number,
  times: number,
  report: (readyMs: number) => void,
): Promise<Kills> {
  await using resources = new AsyncDisposableStack();
  const { path: directory } = resources.use(await makeDirectory("commerce-kills-"));
  let database = await startEmbedded(directory);
  resources.defer(() => database[Symbol.asyncDispose]());
  const load = { clients: 8, callsPerClient: Infinity, attemptsMax };
  const { connection } = database;
  const rig = resources.use(
    await startRig(createRandom(seed), { connection, engine: "postgresql" }, { load }),
  );

  const late: Finding[] = [];
  let over = false;
  await rig.traffic.open();
  const traffic = rig.traffic.run(() => over);
  for (let n = 0; n < times; n++) {
    await untilAnswered(rig.history, answersBetween);
    kill(database.pid, "SIGKILL");
    await database.exited;
    await database[Symbol.asyncDispose]();
    database = await startEmbedded(directory);
    rig.replicas[0]!.proxy.upstream = database.connection;
    const readyMs = await untilReady(rig.replicas[0]!.service.grpcUrl);
    report(readyMs);
    const sentence = `the service needed ${readyMs.toFixed(0)} ms, longer than ${readyMsMax}`;
    if (readyMs > readyMsMax) late.push({ invariant: "recovery", ids: [], sentence });
  }
  await untilAnswered(rig.history, answersBetween);
  over = true;
  await traffic;
  return { history: rig.history, findings: [...(await rig.conclude()), ...late] };
}

async function untilAnswered(history: readonly Entry[], more: number): Promise<void> {
  let answered = 0;
  for (let n = history.length; answered < more; n = history.length) {
    await delay(5);
    answered += history.slice(n).filter(({ outcome }) => outcome.kind === "ok").length;
  }
}

/**
 * The time until health says SERVING and a call that needs the database succeeds. Health alone may be old
 * news.
 */
async function untilReady(grpcUrl: string): Promise<number> {
  const transport = createGrpcTransport({ baseUrl: grpcUrl });
  const health = createClient(Health, transport);
  const users = createClient(UserService, transport);
  const since = performance.now();
  for (;;) {
    try {
      await users.listUsers({ pageSize: 1 }, { timeoutMs: 250 });
      const { status } = await health.check({}, { timeoutMs: 250 });
      if (status === Serving.SERVING) return performance.now() - since;
    } catch {
      // Not yet.
    }
    await delay(10);
  }
}
