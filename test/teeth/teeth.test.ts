import { existsSync, globSync, readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import path from "node:path";
import { expect, test } from "vitest";
import { mutations } from "./mutations.ts";

const root = path.join(import.meta.dirname, "../..");
const read = (file: string): string => readFileSync(path.join(root, file), "utf8");

test("the text of each mutation occurs once in its file and becomes another", () => {
  const wrong = mutations.filter(
    ({ file, from, to }) => read(file).split(from).length !== 2 || from === to || from === "",
  );

  expect(wrong.map(({ file, what }) => `${file}: ${what}`)).toEqual([]);
});

test("each mutation of a program leaves it one that can be parsed", () => {
  const broken = mutations.filter(({ file, from, to }) => file.endsWith(".ts") && !parses(file, from, to));

  expect(broken.map(({ file, what }) => `${file}: ${what}`)).toEqual([]);
});

test("each mutation names test files, which exist", () => {
  const wrong = mutations.filter(
    ({ tests }) => tests.length === 0 || !tests.every((file) => existsSync(path.join(root, file))),
  );

  expect(wrong.map(({ file, what }) => `${file}: ${what}`)).toEqual([]);
});

test("each room of the sources has mutations, and there are 80 in all", () => {
  const isRoom = (file: string): boolean => !file.includes("src/gen/") && file.split("/").length > 2;
  const rooms = new Set(globSync("src/**/*.ts", { cwd: root }).filter(isRoom).map(path.dirname));

  const mutated = new Set(mutations.map(({ file }) => path.dirname(file)));

  expect([...rooms].filter((room) => !mutated.has(room))).toEqual([]);
  expect(mutations.length).toBeGreaterThanOrEqual(80);
});

function parses(file: string, from: string, to: string): boolean {
  try {
    stripTypeScriptTypes(read(file).replace(from, () => to));
    return true;
  } catch {
    return false;
  }
}
