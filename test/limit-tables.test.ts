import { execFile } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { bounds } from "../src/bounds.ts";
import { limitTables } from "../scripts/limits.ts";

const root = path.join(import.meta.dirname, "..");

test("each bound is held somewhere", () => {
  const text = globSync("src/**/*.ts", { cwd: root })
    .filter((file) => file !== path.join("src", "bounds.ts"))
    .map((file) => readFileSync(path.join(root, file), "utf8"))
    .join("\n");

  expect(Object.keys(bounds).filter((name) => !new RegExp(`\\b${name}\\b`).test(text))).toEqual([]);
});

test("the tables name what bounds each method, and what the configuration can change", () => {
  const [fixed, configured, methods] = limitTables();

  expect(fixed!.rows).toHaveLength(Object.keys(bounds).length);
  expect(configured!.rows.map(([name]) => name)).toContain("CALL_IN_FLIGHT_MAX");
  expect(methods!.rows).toContainEqual(["GetUser", "16 KiB", "5 s", "60 s", "none"]);
});

test("npm run explain -- --limits prints them without a database", async () => {
  const script = path.join(root, "scripts/explain.ts");

  const { stdout } = await promisify(execFile)(process.execPath, [script, "--limits"]);

  expect(stdout).toMatch(/^Fixed bounds\n\n {2}bound of +at most/);
  expect(stdout).toMatch(/^ {2}ImportOrders +16 MiB +60 s +3600 s +none$/m);
  expect(stdout.split("\n").filter((line) => line.length > 100)).toEqual([]);
  const words = (text: string): string[] => text.split(/\s+/).toSorted();
  const cells = limitTables().flatMap(({ title, columns, rows }) => [title, ...columns, ...rows.flat()]);
  expect(words(stdout.trim())).toEqual(words(cells.filter((cell) => cell !== "").join(" ")));
});
