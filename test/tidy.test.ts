import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";

const root = path.join(import.meta.dirname, "..");
const everything = "{src,test,scripts,bench,proto,migrations,deploy,docs,.ci}/**/*";

/**
 * A part of src/ and what its files may import. `packages` are prefixes; a part without them may use any
 * package.
 */
type Part = {
  readonly name: string;
  readonly files: RegExp;
  /** The parts that a file of this one may import, besides its own. */
  readonly arrows: readonly string[];
  /** Packages that would make the part know what it must not know. */
  readonly withoutPackages: readonly string[];
};

const transports = ["@connectrpc/", "@grpc/", "node:http"];
const anything = ["db/errors", "db", "services", "rpc", "server", "config", "call", "gen", "shared"];

/**
 * proto → gen → services → db → pg; rpc meets the services in server.ts only. The first part that fits is a
 * file's.
 */
const parts: readonly Part[] = [
  { name: "gen", files: /^src\/gen\//, arrows: [], withoutPackages: [] },
  { name: "db/errors", files: /^src\/db\/errors\.ts$/, arrows: [], withoutPackages: [...transports, "pg"] },
  {
    name: "db",
    files: /^src\/db\//,
    arrows: ["db/errors", "shared"],
    withoutPackages: [...transports, "@bufbuild/"],
  },
  {
    name: "services",
    files: /^src\/services\//,
    arrows: ["gen", "db", "db/errors", "shared"],
    withoutPackages: [...transports, "pg"],
  },
  {
    name: "rpc",
    files: /^src\/rpc\//,
    arrows: ["gen", "db/errors", "config", "shared"],
    withoutPackages: ["pg"],
  },
  { name: "call", files: /^src\/call\.ts$/, arrows: [], withoutPackages: [] },
  // Plain data and functions for all parts.
  {
    name: "shared",
    files: /^src\/(bounds\/[a-z]+|bounds|garbage|queue|shares)\.ts$/,
    arrows: [],
    withoutPackages: [...transports, "pg"],
  },
  {
    name: "config",
    files: /^src\/config(\.ts$|\/)/,
    arrows: ["shared"],
    withoutPackages: [...transports, "pg"],
  },
  { name: "server", files: /^src\/(server|bindings)\.ts$/, arrows: anything, withoutPackages: [] },
  { name: "main", files: /^src\/(main|process)\.ts$/, arrows: anything, withoutPackages: [] },
];

/** Their types are the vocabulary of all parts. */
const sharedTypes = ["call", "config"];

test("each import of src/ follows an arrow", () => {
  const wrong = sources("src/**/*.ts").flatMap(({ file, text }) =>
    findImports(file, text)
      .filter((imported) => !isAllowed(file, imported))
      .map(({ target }) => `${file} imports ${target}`),
  );

  expect(wrong).toEqual([]);
});

test.each([
  ["src/db/orders.ts", 'import { a } from "../gen/b_pb.ts";'],
  ["src/db/orders.ts", 'import { a } from "../services/b.ts";'],
  ["src/db/orders.ts", 'import { ConnectError } from "@connectrpc/connect";'],
  ["src/db/orders.ts", 'import { parseConfig } from "../config.ts";'],
  ["src/services/orders.ts", 'import type { Server } from "@grpc/grpc-js";'],
  ["src/services/orders.ts", 'import { a } from "../rpc/status.ts";'],
  ["src/rpc/grpc.ts", 'import {\n  a,\n  type b,\n} from "../services/orders.ts";'],
  ["src/rpc/grpc.ts", 'export { a } from "../db/database.ts";'],
  ["src/server.ts", 'const a = await import("./main.ts");'],
])("refuses in %s: %s", (file, text) => {
  expect(findImports(file, text).filter((imported) => isAllowed(file, imported))).toEqual([]);
});

test.each([
  ["src/db/orders.ts", 'import { type A, b } from "./errors.ts";\nimport pg from "pg";'],
  ["src/db/orders.ts", 'import type { Call } from "../call.ts";'],
  ["src/services/orders.ts", 'import { type Config } from "../config.ts";'],
])("allows in %s: %s", (file, text) => {
  expect(findImports(file, text).filter((imported) => !isAllowed(file, imported))).toEqual([]);
});

test("only main.ts and process.ts ask for what a process alone has: environment, terminal, signals", () => {
  // What the process is (its pid, its platform, its user) anybody may ask.
  const ask = /\bprocess\.(env|argv|exit|exitCode|on|once|stdin|stdout|stderr|cwd)\b/;

  const others = findLines(["src/**/*.ts"], ask).filter((line) => !/^src\/(main|process)\.ts:/.test(line));
  expect(others).toEqual([]);
});

test("lines have up to 110 columns, but for titles of tests, which do not break", () => {
  const long = /^(?!test\().{111}/;

  expect(findLines(["{src,test,scripts,bench}/**/*.ts", "*.ts", "migrations/*.sql"], long)).toEqual([]);
});

test("files have up to 250 lines", () => {
  const long = sources("{src,test,scripts,bench}/**/*.ts")
    .map(({ file, text }) => ({ file, lines: text.split("\n").length - 1 }))
    .filter(({ lines }) => lines > 250);

  expect(long).toEqual([]);
});

test("nothing is left to do, nothing is untyped and no test runs alone", () => {
  const left = /\b(TO(?:DO)|FIX(?:ME)|X{3})\b/;
  const loose = /\bas an(?:y)\b(?! [a-z])|\b(?:test|it|describe)\.on(?:ly)\b/;

  expect(findLines([everything, "*.*"], left)).toEqual([]);
  expect(findLines(["{src,test,scripts,bench}/**/*.ts"], loose)).toEqual([]);
});

test("no path of somebody's machine is in the repository", () => {
  const home = /(?<![\w.:/-])\/(?:work|root|home|Users)\/\w/;

  expect(findLines([everything, "*.*"], home)).toEqual([]);
});

test("src/ writes no SQL into the call that sends it: what is declared is what the gates see", () => {
  const inline = /\.query(?:<[^;]*?>)?\(\s*["'`](?!explain )/;

  const found = sources("src/**/*.ts").filter(({ text }) => inline.test(text));

  expect(found.map(({ file }) => file)).toEqual([]);
});

type Source = { readonly file: string; readonly text: string };
type Import = { readonly target: string; readonly typesOnly: boolean };

function isAllowed(file: string, { target, typesOnly }: Import): boolean {
  const from = findPart(file);
  if (from === undefined) return false;
  if (!target.startsWith("src/")) return !from.withoutPackages.some((name) => isWithin(target, name));
  const to = findPart(target);
  if (to === undefined) return false;
  return to === from || from.arrows.includes(to.name) || (typesOnly && sharedTypes.includes(to.name));
}

function isWithin(target: string, name: string): boolean {
  return name.endsWith("/") ? target.startsWith(name) : target === name || target.startsWith(`${name}/`);
}

function findPart(file: string): Part | undefined {
  return parts.find(({ files }) => files.test(file));
}

/** What a file imports: packages by their names, files of the project by their paths from its root. */
function findImports(file: string, text: string): Import[] {
  const fromClause =
    /^(?:import|export)\s+([^;"]*?)\s*from\s+"([^"]+)"|^import\s+"([^"]+)"|\bimport\("([^"]+)"\)/gm;
  return Array.from(text.matchAll(fromClause), ([, clause = "", from, bare, dynamic]) => {
    const name = from ?? bare ?? dynamic ?? "";
    const target = name.startsWith(".") ? path.posix.join(path.posix.dirname(file), name) : name;
    const names = /^\{([^}]*)\}$/
      .exec(clause)?.[1]
      ?.split(",")
      .filter((each) => each.trim() !== "");
    const typesOnly =
      clause.startsWith("type ") || (names?.every((each) => /^\s*type\s/.test(each)) ?? false);
    return { target, typesOnly };
  });
}

/** The lines that fit a pattern, as `file:line: text`. */
function findLines(globs: readonly string[], pattern: RegExp): string[] {
  return globs.flatMap(sources).flatMap(({ file, text }) =>
    text
      .split("\n")
      .map((line, index) => ({ line, at: `${file}:${index + 1}: ${line.trim()}` }))
      .filter(({ line }) => pattern.test(line))
      .map(({ at }) => at),
  );
}

/** The files that are written by hand. */
function sources(glob: string): Source[] {
  const exclude = ["src/gen/**", "package-lock.json", "LICENSE"];
  const entries = globSync(glob, { cwd: root, exclude, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  return entries
    .map((entry) => path.join(entry.parentPath, entry.name))
    .toSorted()
    .map((file) => ({ file: path.relative(root, file), text: readFileSync(file, "utf8") }));
}
