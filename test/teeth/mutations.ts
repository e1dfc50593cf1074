import { globSync } from "node:fs";
import path from "node:path";
import type { Mutation } from "./mutation.ts";

/** A file of mistakes exports lists of them, whatever their names. */
type Lists = Readonly<Record<string, readonly Mutation[]>>;

const directory = path.join(import.meta.dirname, "mistakes");
const lists = await Promise.all(
  globSync("*.ts", { cwd: directory }).map(async (file) => {
    return Object.values((await import(path.join(directory, file))) as Lists).flat();
  }),
);

/** All mutations that there are, in the order of the files that they change. */
export const mutations: readonly Mutation[] = lists
  .flat()
  .toSorted((one, other) => one.file.localeCompare(other.file));
