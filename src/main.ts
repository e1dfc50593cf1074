// The entry. Compiled code is kept between starts, which saves part of the start, and the memory of the
// program that strips the types; so nothing else may be imported before. Where it cannot be kept, all works
// the same.
import { enableCompileCache } from "node:module";
import path from "node:path";

enableCompileCache(path.join(import.meta.dirname, "../node_modules/.cache/commerce-core"));
await import("./process.ts");
