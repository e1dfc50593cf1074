import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { runToEnd, type Ended } from "./processes.ts";
import type { Shop } from "./shop.ts";

/** Runs the import to its end. */
export function importFile(shop: Shop, ...args: readonly string[]): Promise<Ended> {
  return runToEnd(process.execPath, ["scripts/import.ts", "--url", shop.grpcUrl, ...args]);
}

/** A directory for the files of an import. */
export function givenDirectory() {
  return mkdtempDisposable(path.join(tmpdir(), "commerce-import-"));
}
