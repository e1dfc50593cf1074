import { globSync, readFileSync } from "node:fs";
import path from "node:path";

const root = path.join(import.meta.dirname, "../..");

export type Source = { readonly file: string; readonly text: string };

/** The files that are written by hand. */
export function sources(glob: string): Source[] {
  const exclude = [
    "{src,client/src}/gen/**",
    "client/dist/**",
    "examples/*/{gen,__pycache__}/**",
    "package-lock.json",
    "LICENSE",
    "client/LICENSE",
  ];
  const entries = globSync(glob, { cwd: root, exclude, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  return entries
    .map((entry) => path.join(entry.parentPath, entry.name))
    .toSorted()
    .map((file) => ({ file: path.relative(root, file), text: readFileSync(file, "utf8") }));
}
