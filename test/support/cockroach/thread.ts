// An emulated cluster in a thread of its own, whose event loop no test and no transformation of tests holds up.
import { parentPort, workerData } from "node:worker_threads";
import type { Connection } from "../../../src/config.ts";
import { refuseScans, startCluster } from "./cluster.ts";

const cluster = await startCluster({ upstream: workerData as Connection, settingsFor: refuseScans });
parentPort!.once("message", () => {
  void cluster[Symbol.asyncDispose]().then(() => parentPort!.close());
});
parentPort!.postMessage(cluster.connection);
