import { globSync } from "node:fs";
import path from "node:path";
import type { Mutation } from "./mutation.ts";
import { calls } from "./calls.ts";
import { commands } from "./commands.ts";
import { loginsAndPages } from "./logins-and-pages.ts";
import { ports } from "./ports.ts";
import { processes } from "./process.ts";
import { services } from "./services.ts";
import { trustAndTelemetry } from "./trust-and-telemetry.ts";
import { wire } from "./wire.ts";

/** A file of mutations exports lists of them, whatever their names. */
type Lists = Readonly<Record<string, readonly Mutation[]>>;

const files = globSync("data-layer*.ts", { cwd: import.meta.dirname }).toSorted();
const dataLayer = await Promise.all(
  files.map(async (file) => {
    const lists = (await import(path.join(import.meta.dirname, file))) as Lists;
    return Object.values(lists).flat();
  }),
);

/** All mutations that there are, in the order of the files that they change. */
export const mutations: readonly Mutation[] = [
  ...calls,
  ...commands,
  ...loginsAndPages,
  ...ports,
  ...processes,
  ...services,
  ...trustAndTelemetry,
  ...wire,
  ...dataLayer.flat(),
].toSorted((one, other) => one.file.localeCompare(other.file));
