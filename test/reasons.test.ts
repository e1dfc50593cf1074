import { execFile } from "node:child_process";
import { mkdtempDisposable, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { Code } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { reasonTables } from "../scripts/reasons.ts";
import { type Bound, bounds } from "../src/bounds.ts";
import {
  createError,
  DomainError,
  emailNotFound,
  emailTaken,
  insufficientStock,
  notFound,
  ofChange,
  orderType,
  outcomeUnknown,
  productType,
  type Reason,
  reasons,
  repeatable,
  repeatableWith,
  requestIdReused,
  shuttingDown,
  staleEtag,
  stockOutOfRange,
  usersNotFound,
  userType,
} from "../src/errors.ts";
import { toConnectError } from "../src/rpc/status.ts";
import { findUncatalogued } from "./support/catalogue.ts";
import { sources } from "./support/sources.ts";

const names = Object.keys(reasons) as Reason[];

test("a reason is UPPER_SNAKE_CASE of up to 63 characters (AIP-193)", () => {
  expect(names.filter((name) => !/^[A-Z][A-Z0-9_]+[A-Z0-9]$/.test(name) || name.length > 63)).toEqual([]);
});

test("each reason is made somewhere", () => {
  const made = sources("src/**/*.ts")
    .filter(({ file }) => !/^src\/(bounds\/|rpc\/limit-count\.ts|errors\/\w+-reasons\.ts$)/.test(file))
    .map(({ text }) => text)
    .join("\n");
  const ofBounds = Object.entries<Bound>(bounds).flatMap(([name, { reason }]) =>
    new RegExp(`\\b${name}\\.reason\\b|\\breason\\b[^;\n]*= bounds\\.${name};`).test(made) ? [reason] : [],
  );

  const unmade = names.filter((name) => !made.includes(`"${name}"`) && !ofBounds.includes(name));
  expect(unmade).toEqual([]);
});

// The compiler holds what is made to the catalogue: DomainError and toDetails() take a Reason, createError()
// the facts of the reason.
test("errors are made beside the catalogue, and become answers in one file", () => {
  const makers = (pattern: RegExp) =>
    sources("src/**/*.ts").flatMap(({ file, text }) => (pattern.test(text) ? [file] : []));

  expect(makers(/new DomainError\(/).filter((file) => !file.startsWith("src/errors/"))).toEqual([]);
  expect(makers(/\bErrorInfoSchema\b/)).toEqual(["src/rpc/status.ts"]);
});

test("what the catalogue does not say of an error does not compile", () => {
  // @ts-expect-error: there is no such reason.
  const unknown = (): DomainError => createError("UNHEARD_OF", "m");
  // @ts-expect-error: the key has another name.
  const another = (): DomainError => createError("FINAL_ORDER", "m", { metadata: { order_id: "1" } });
  // @ts-expect-error: its metadata is missing.
  const missing = (): DomainError => createError("FINAL_ORDER", "m");
  // @ts-expect-error: it has no metadata.
  const surplus = (): DomainError => createError("EMAIL_TAKEN", "m", { metadata: { id: "1" } });
  // @ts-expect-error: it does not say how long to wait.
  const hasty = (): DomainError => createError("TOO_MANY_CALLS", "m");
  // @ts-expect-error: it is refused again, however long the caller waits.
  const vain = (): DomainError => createError("MESSAGE_TOO_LARGE", "m", { retryAfterMs: 1 });

  expect([another, missing, surplus, hasty, vain].map((make) => make().reason)).toHaveLength(5);
  expect(unknown).toThrow(TypeError);
});

const id = "0d7b0e4c-51a1-4d0c-8f7e-3f5f5c9b4d11";

test.each([
  notFound(userType, id),
  notFound(productType, id),
  emailNotFound("a@b.c"),
  usersNotFound([id]),
  emailTaken(),
  insufficientStock("order", [id]),
  stockOutOfRange("INSUFFICIENT_STOCK", id, 1n, "1 in stock"),
  stockOutOfRange("STOCK_LIMIT", id, 1n, "1 in stock"),
  shuttingDown(),
  shuttingDown(7),
  outcomeUnknown(undefined),
  repeatable(outcomeUnknown(undefined)),
  repeatableWith(outcomeUnknown(undefined), "request_id", id),
  ofChange(1, notFound(orderType, id)),
  ofChange(1, staleEtag(orderType, id)),
  ofChange(1, requestIdReused()),
  ofChange(
    1,
    createError("FORBIDDEN_STATUS_CHANGE", "m", { metadata: { id, from: "PENDING", to: "SHIPPED" } }),
  ),
])("has what the catalogue says: %s", (error) => {
  expect(findUncatalogued(toConnectError(error))).toEqual([]);
});

test("what the catalogue does not say of an error is found", () => {
  const facts = { metadata: { index: "1" }, retryAfterMs: 1 };

  expect(findUncatalogued(toConnectError(new DomainError("FINAL_ORDER", "m", facts)))).toEqual([
    "FINAL_ORDER has a RetryInfo",
    "FINAL_ORDER has index",
    "FINAL_ORDER lacks id",
  ]);
});

test("many users that do not exist are counted, and the first twenty named", () => {
  const missing = Array.from({ length: 21 }, (_, n) => `u${n}`);

  const { message, facts } = usersNotFound(missing);

  expect(message).toBe("21 users do not exist, the first is u0");
  expect(facts.metadata).toEqual({ missing: missing.slice(0, 20).join(",") });
});

test("an order that asks for a product twice names it once", () => {
  const { message, facts } = insufficientStock("order", ["p1", "p2", "p1"]);

  expect(message).toBe("there is too little stock of product p1");
  expect(facts.violations).toEqual(
    ["p1", "p2"].map((product) => ({
      type: "STOCK",
      subject: `${productType}/${product}`,
      description: "there is less in stock than the order asks for",
    })),
  );
});

test("an import that a drain ends is told where to resume, also behind its first row", () => {
  const { message, facts } = shuttingDown(0);

  expect(message).toBe("the server is shutting down; resume the import behind index 0");
  expect(facts).toEqual({ retryAfterMs: 0, metadata: { last_index: "0" } });
});

test("a constraint's error keeps what the database has said as its cause", () => {
  const cause = new Error("duplicate key");

  expect(emailTaken(cause)).toMatchObject({ reason: "EMAIL_TAKEN", cause });
});

test("an unknown outcome is UNAVAILABLE for a call with a request_id, and UNKNOWN for one without", () => {
  const unknown = outcomeUnknown(undefined);

  expect(toConnectError(repeatable(unknown)).code).toBe(Code.Unavailable);
  expect(toConnectError(repeatableWith(unknown, "request_id", id)).code).toBe(Code.Unknown);
});

test("docs/errors.md has each reason under its code, and one of two codes under both", async () => {
  await using directory = await mkdtempDisposable(path.join(tmpdir(), "document-errors-test-"));
  const file = path.join(directory.path, "errors.md");

  await promisify(execFile)(process.execPath, [
    path.join(import.meta.dirname, "../scripts/document-errors.ts"),
    file,
  ]);

  const listed = reasonTables().flatMap(({ title, rows }) => rows.map(([reason]) => `${title} ${reason}`));
  const listedNames = listed.map((line) => line.replace(/^\w+ /, "")).toSorted();
  expect(listedNames).toEqual([...names, "COMMIT_OUTCOME_UNKNOWN"].toSorted());
  expect(listed).toContain("UNKNOWN COMMIT_OUTCOME_UNKNOWN");
  expect(listed).toContain("UNAVAILABLE COMMIT_OUTCOME_UNKNOWN");
  expect(await readFile(file, "utf8")).toContain(
    "| INSUFFICIENT_STOCK | `product_id`, `on_hand` (AdjustStock) | no | ",
  );
});
