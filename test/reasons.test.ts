import { execFile } from "node:child_process";
import { mkdtempDisposable, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { getOption } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { reasonTables } from "../scripts/reasons.ts";
import { services } from "../src/bindings.ts";
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
  stockLimit,
  usersNotFound,
  userType,
} from "../src/errors.ts";
import { ErrorReasonSchema, Origin, reason } from "../src/gen/commerce/errors/v1/error_reason_pb.ts";
import { policy } from "../src/gen/commerce/options/v1/options_pb.ts";
import { ErrorInfoSchema } from "../src/gen/google/rpc/error_details_pb.ts";
import { CODES, explain, toConnectError } from "../src/rpc/status.ts";
import { findUncatalogued } from "./support/catalogue.ts";
import { sources } from "./support/sources.ts";

const names = Object.keys(reasons) as Reason[];

test("a reason is UPPER_SNAKE_CASE of up to 63 characters (AIP-193)", () => {
  expect(names.filter((name) => !/^[A-Z][A-Z0-9_]+[A-Z0-9]$/.test(name) || name.length > 63)).toEqual([]);
});

test("each reason is made somewhere", () => {
  const made = sources("src/**/*.ts")
    .filter(({ file }) => !/^src\/(bounds\/|rpc\/limit-count\.ts|errors\/catalogue\.ts$)/.test(file))
    .map(({ text }) => text)
    .join("\n");
  const ofBounds = Object.entries<Bound>(bounds).flatMap(([name, { reason: own }]) =>
    new RegExp(`\\b${name}\\.reason\\b|\\breason\\b[^;\n]*= bounds\\.${name};`).test(made) ? [own] : [],
  );

  const unmade = names.filter((name) => !made.includes(`"${name}"`) && !ofBounds.includes(name));
  expect(unmade).toEqual([]);
});

test("each reason is expected by some test", () => {
  const expected = sources("test/**/*.ts")
    .filter(({ file }) => !/^test\/(teeth\/|support\/|reasons\.test\.ts$)/.test(file))
    .map(({ text }) => text)
    .join("\n");
  const quoted = new Set(expected.match(/\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*\b/g));

  // What TRANSPORT is for is not known: a test below makes it.
  expect(names.filter((name) => !quoted.has(name))).toEqual(["TRANSPORT"]);
});

test("what a library raises without a reason of ours has the reason TRANSPORT", () => {
  const raised = explain(new ConnectError("it broke", Code.DataLoss));

  expect(raised.code).toBe(Code.DataLoss);
  expect(raised.findDetails(ErrorInfoSchema)).toMatchObject([{ reason: "TRANSPORT", metadata: {} }]);
});

test("the catalogue has the values of the contract's enum, each with its code", () => {
  const contract = ErrorReasonSchema.values.slice(1).map((value) => {
    const { code, codeWithKey } = getOption(value, reason);
    return [value.name, code, codeWithKey || code];
  });

  const catalogue = names.map((name) => {
    const { kind, kindWithKey = kind } = reasons[name];
    return [name, CODES[kind], CODES[kindWithKey]];
  });
  expect(catalogue).toEqual(contract);
});

test("each reason of a method's own is named by some method's policy, and no other is", () => {
  const own = ErrorReasonSchema.values
    .filter((value) => value.number !== 0 && getOption(value, reason).origin === Origin.METHOD)
    .map(({ number }) => number);
  const named = services.flatMap(({ methods }) =>
    methods.flatMap((method) => getOption(method, policy).reasons),
  );

  expect([...new Set<number>(named)].toSorted((a, b) => a - b)).toEqual(own);
});

// The compiler holds what is made to the catalogue: DomainError and toDetails() take a Reason, createError()
// the facts of the reason.
test("errors are made beside the catalogue, and become answers in one file", () => {
  const makers = (pattern: RegExp) =>
    sources("src/**/*.ts").flatMap(({ file, text }) => (pattern.test(text) ? [file] : []));

  expect(makers(/new DomainError\(/).filter((file) => !file.startsWith("src/errors/"))).toEqual([]);
  expect(makers(/\bdetail\(ErrorInfoSchema\b/)).toEqual(["src/rpc/status.ts"]);
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
  insufficientStock([{ productId: id, onHand: 1n, requested: 2n }]),
  stockLimit(id, 1n, "1 in stock"),
  shuttingDown(),
  shuttingDown(7),
  outcomeUnknown(undefined),
  repeatable(outcomeUnknown(undefined)),
  repeatableWith(outcomeUnknown(undefined), "request_id", id),
  ofChange(1, notFound(orderType, id)),
  ofChange(1, staleEtag(orderType, id, '"7"')),
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

test("products that are short are named with what is there and what was asked for, at most ten", () => {
  const short = (n: number) => ({ productId: `p${n}`, onHand: BigInt(n), requested: BigInt(n + 5) });

  const { message, facts } = insufficientStock([
    short(0),
    ...Array.from({ length: 20 }, (_, n) => short(n + 1)),
  ]);

  expect(message).toBe("there is too little stock of product p0: 0, and 5 asked for");
  expect(facts.metadata).toEqual({
    product_id: "p0",
    on_hand: "0",
    requested: "5",
    shortages: "p0:0:5,p1:1:6,p2:2:7,p3:3:8,p4:4:9,p5:5:10,p6:6:11,p7:7:12,p8:8:13,p9:9:14",
  });
  expect(facts.violations).toHaveLength(10);
  expect(facts.violations?.[9]).toEqual({
    type: "STOCK",
    subject: `${productType}/p9`,
    description: "9 in stock, 14 asked for",
  });
});

test("metadata is told whole where all of it fits, and each value cut to its share where it does not", () => {
  const told = (metadata: Record<string, string>) =>
    toConnectError(new DomainError("INTERNAL", "m", { metadata })).findDetails(ErrorInfoSchema)[0]?.metadata;

  const fits = { id: "i".repeat(24), shortages: "s".repeat(1000) };
  expect(told(fits)).toEqual(fits);
  expect(told({ ...fits, id: "i".repeat(25) })).toEqual({
    id: "i".repeat(25),
    shortages: `${"s".repeat(509)}…`,
  });
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

  const listed = reasonTables().flatMap(({ title, rows }) => rows.map(([name]) => `${title} ${name}`));
  const listedNames = listed.map((line) => line.replace(/^\w+ /, "")).toSorted();
  expect(listedNames).toEqual([...names, "COMMIT_OUTCOME_UNKNOWN"].toSorted());
  expect(listed).toContain("UNKNOWN COMMIT_OUTCOME_UNKNOWN");
  expect(listed).toContain("UNAVAILABLE COMMIT_OUTCOME_UNKNOWN");
  expect(await readFile(file, "utf8")).toContain(
    "| USER_HAS_ORDERS | `id`: the id of the user | no | The user has orders. Set force to delete",
  );
});
