// The entry point of a worker. Signals are the leader's business: a terminal and some supervisors send them
// to every process, and a worker that ended by itself would break the drain. As in main.ts, nothing of ours
// may be imported before the compile cache is enabled.
import { enableCompileCache } from "node:module";
import path from "node:path";
import process from "node:process";

for (const name of ["SIGINT", "SIGTERM", "SIGUSR2"] as const) process.on(name, () => {});

enableCompileCache(path.join(import.meta.dirname, "../../node_modules/.cache/commerce-core"));
const { work } = await import("./worker.ts");
await work();
