// The entry. The first signal asks the service to stop, whatever it is doing; a second one does not wait.
// Compiled code is kept between starts, which saves part of the start, and the memory of the program that
// strips the types; so nothing of ours may be imported before. Where it cannot be kept, all works the same.
import { enableCompileCache } from "node:module";
import path from "node:path";
import process from "node:process";

// Before anything is loaded: to the first process of a container, a signal that it does not handle is lost.
const asked = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const)
  process.on(name, () => {
    if (asked.signal.aborted) {
      process.stderr.write(`commerce-core failed: stopped at once by a second ${name}\n`);
      process.exit(1);
    }
    asked.abort(new Error(`stopped by ${name}`));
  });

enableCompileCache(path.join(import.meta.dirname, "../node_modules/.cache/commerce-core"));
const { run } = await import("./process.ts");
await run(asked.signal);
