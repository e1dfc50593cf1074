// The entry point. The first signal asks the service to stop at any stage; a second one exits at once. The
// compile cache shortens the start and saves the memory of the type stripper, so nothing of ours may be
// imported before it is enabled. Where it cannot be kept, the service runs without it.
import { enableCompileCache } from "node:module";
import path from "node:path";
import process from "node:process";

// Registered before anything is loaded: the first process of a container ignores signals without a handler.
const asked = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const)
  process.on(name, () => {
    if (asked.signal.aborted) {
      process.stderr.write(`commerce-core failed: stopped at once by a second ${name}\n`);
      process.exit(1);
    }
    asked.abort(new Error(`stopped by ${name}`));
  });

// It changes the level of the log once there is one; by default it would end the process.
process.on("SIGUSR2", () => {});

enableCompileCache(path.join(import.meta.dirname, "../node_modules/.cache/commerce-core"));
const { run } = await import("./process.ts");
await run(asked.signal);
