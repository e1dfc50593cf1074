import path from "node:path";
import { expect, test } from "vitest";
import { sources } from "./support/sources.ts";

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
const anything = (
  "errors engine migrate embedded facts users orders products db services rpc telemetry server config " +
  "call gen shared"
).split(" ");
const data = [...transports, "@bufbuild/"];

/** A room of an aggregate: it knows no other one. */
const aggregate = (name: string): Part => ({
  name,
  files: new RegExp(`^src/db/${name}/`),
  arrows: ["engine", "facts", "errors", "shared"],
  withoutPackages: [...data, "pg"],
});
const aggregates = ["users", "orders", "products"];

/**
 * proto → gen → services → db → pg; rpc meets the services in server.ts only. The first part that fits is a
 * file's.
 */
const parts: readonly Part[] = [
  { name: "gen", files: /^src\/(gen\/|rpc\/wire\.ts$)/, arrows: [], withoutPackages: [] },
  { name: "errors", files: /^src\/errors(\.ts$|\/)/, arrows: [], withoutPackages: [...data, "pg"] },
  // Knows pg, and no table.
  { name: "engine", files: /^src\/db\/engine\//, arrows: ["errors", "shared"], withoutPackages: data },
  {
    name: "migrate",
    files: /^src\/db\/migrate\//,
    arrows: ["engine", "errors", "shared"],
    withoutPackages: data,
  },
  {
    name: "embedded",
    files: /^src\/db\/embedded\//,
    arrows: ["engine", "config", "shared"],
    withoutPackages: data,
  },
  // What all aggregates say: outcomes, refusals, ids, etags, cursors.
  {
    name: "facts",
    files: /^src\/db\/(outcome|ids|cursor|etag|order-status|refusals)\.ts$/,
    arrows: ["engine", "errors", "shared"],
    withoutPackages: [...data, "pg"],
  },
  ...aggregates.map(aggregate),
  {
    name: "db",
    files: /^src\/db\//,
    arrows: ["engine", "migrate", "facts", ...aggregates, "errors", "shared"],
    withoutPackages: data,
  },
  {
    name: "services",
    files: /^src\/services\//,
    arrows: ["gen", "engine", "facts", ...aggregates, "db", "errors", "shared"],
    withoutPackages: [...transports, "pg"],
  },
  {
    name: "rpc",
    files: /^src\/rpc\//,
    arrows: ["gen", "telemetry", "errors", "config", "shared"],
    withoutPackages: ["pg"],
  },
  // Knows what parts tell of themselves; those it is handed to know none of its libraries.
  {
    name: "telemetry",
    files: /^src\/telemetry\//,
    arrows: ["gen", "engine", "db", "errors", "config", "shared"],
    withoutPackages: ["@grpc/", "pg"],
  },
  { name: "call", files: /^src\/call\.ts$/, arrows: [], withoutPackages: [] },
  // Plain data and functions for all parts.
  {
    name: "shared",
    files: /^src\/(bounds(\/[a-z]+)?|garbage|lines?|lists|queue|shares|[a-z]+-(errors|url|file))\.ts$/,
    arrows: ["errors"],
    withoutPackages: [...transports, "pg"],
  },
  {
    name: "config",
    files: /^src\/config(\.ts$|\/)/,
    arrows: ["shared"],
    withoutPackages: [...transports, "pg"],
  },
  {
    name: "server",
    files: /^src\/(server|foundation|serving|bindings|databases)\.ts$/,
    arrows: anything,
    withoutPackages: [],
  },
  { name: "workers", files: /^src\/workers\//, arrows: anything, withoutPackages: ["pg"] },
  { name: "main", files: /^src\/(main|process)\.ts$/, arrows: [...anything, "workers"], withoutPackages: [] },
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

test("no two files of src/ import each other", () => {
  const imports = new Map(
    sources("src/**/*.ts").map(({ file, text }) => [
      file,
      findImports(file, text).map(({ target }) => target),
    ]),
  );

  const circles = Array.from(imports).flatMap(([file, targets]) =>
    targets
      .filter((target) => file < target && imports.get(target)?.includes(file))
      .map((target) => [file, target]),
  );
  expect(circles).toEqual([]);
});

test("bench/ imports the rest of the project by its own service/ alone", () => {
  const outside = sources("bench/*.ts").flatMap(({ file, text }) =>
    findImports(file, text)
      .filter(({ target }) => /^(src|scripts|test)\//.test(target))
      .map(({ target }) => `${file} imports ${target}`),
  );

  expect(outside).toEqual([]);
});

const forNode = ["client/src/grpc.ts", "client/src/connect-node.ts", "client/src/node-session.ts"];
const ofClient = sources("client/src/**/*.ts").map(({ file, text }) => ({
  file,
  targets: findImports(file, text).map(({ target }) => target),
}));

test("client/ imports nothing of the rest of the project, and only what its package.json names", () => {
  const allowed = /^(client\/src\/|@bufbuild\/protobuf(\/|$)|@connectrpc\/connect(-node|-web)?$)/;

  const wrong = ofClient.flatMap(({ file, targets }) =>
    targets.filter((target) => !allowed.test(target)).map((target) => `${file} imports ${target}`),
  );

  expect(wrong).toEqual([]);
});

test("what browsers load of client/ is free of Node, and the rest of it of both transports", () => {
  const wrong = ofClient
    .filter(({ file }) => !forNode.includes(file))
    .flatMap(({ file, targets }) =>
      targets
        .filter(
          (target) =>
            forNode.includes(target) ||
            target === "@connectrpc/connect-node" ||
            (target === "@connectrpc/connect-web" && file !== "client/src/connect-web.ts"),
        )
        .map((target) => `${file} imports ${target}`),
    );

  expect(wrong).toEqual([]);
});

test.each([
  ["src/db/orders/orders.ts", 'import { a } from "../../gen/b_pb.ts";'],
  ["src/db/orders/orders.ts", 'import { a } from "../../services/b.ts";'],
  ["src/db/orders/orders.ts", 'import { ConnectError } from "@connectrpc/connect";'],
  ["src/db/orders/orders.ts", 'import { parseConfig } from "../../config.ts";'],
  ["src/db/orders/orders.ts", 'import { a } from "../users/users.ts";'],
  ["src/db/orders/orders.ts", 'import pg from "pg";'],
  ["src/db/engine/pool.ts", 'import { a } from "../users/users.ts";'],
  ["src/services/orders.ts", 'import type { Server } from "@grpc/grpc-js";'],
  ["src/services/orders.ts", 'import { a } from "../rpc/status.ts";'],
  ["src/rpc/grpc.ts", 'import {\n  a,\n  type b,\n} from "../services/orders.ts";'],
  ["src/rpc/grpc.ts", 'export { a } from "../db/engine/database.ts";'],
  ["src/server.ts", 'const a = await import("./main.ts");'],
])("refuses in %s: %s", (file, text) => {
  expect(findImports(file, text).filter((imported) => isAllowed(file, imported))).toEqual([]);
});

test.each([
  ["src/db/orders/orders.ts", 'import { type A, b } from "../../errors.ts";'],
  ["src/db/orders/orders.ts", 'import type { Call } from "../../call.ts";'],
  ["src/services/orders.ts", 'import { type Config } from "../config.ts";'],
])("allows in %s: %s", (file, text) => {
  expect(findImports(file, text).filter((imported) => !isAllowed(file, imported))).toEqual([]);
});

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
