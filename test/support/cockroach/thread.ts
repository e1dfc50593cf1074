// An emulated cluster in a thread of its own: neither tests nor their transformation hold up its event loop.
import { parentPort, workerData } from "node:worker_threads";
import type { Connection } from "../../../src/config.ts";
import { refuseScans, startCluster } from "./cluster.ts";

const cluster = await startCluster({ upstream: workerData as Connection, settingsFor: refuseScans });
parentPort!.postMessage(cluster.connection);
parentPort!.once("message", () => void end());

async function end(): Promise<void> {
  await cluster[Symbol.asyncDispose]();
  parentPort!.close();
}
