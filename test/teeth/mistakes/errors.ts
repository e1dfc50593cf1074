import type { Mutation } from "../mutation.ts";

const error = "src/errors/domain-error.ts";
const resources = "src/errors/resources.ts";
const calls = "src/errors/calls.ts";
const database = "src/errors/database.ts";
const catalogue = "src/errors/catalogue.ts";
const tables = "scripts/reasons.ts";

/** Mistakes in the catalogue of reasons and in the errors that are made beside it. */
export const errors: readonly Mutation[] = [
  {
    file: "src/errors/database.ts",
    what: "an unknown outcome is UNKNOWN for callers that may repeat the call, too",
    from: "facts, cause, kindWithKey);",
    to: "facts, cause, kind);",
    tests: ["test/reasons.test.ts"],
  },
  {
    file: error,
    what: "the cause of an error is lost",
    from: "super(message, { cause });",
    to: "super(message);",
    tests: ["test/pipeline.test.ts", "test/reasons.test.ts"],
  },
  {
    file: resources,
    what: "BatchGetUsers tells of all that are missing, however many",
    from: "missing.slice(0, missingMax)",
    to: "missing",
    tests: ["test/reasons.test.ts"],
  },
  {
    file: resources,
    what: "the batch does not say which of its changes was refused",
    from: "metadata: { ...facts.metadata, index: index.toString() },",
    to: "",
    tests: ["test/service/batches.test.ts"],
  },
  {
    file: resources,
    what: "an answer names all products that are short, however many",
    from: "shortages.slice(0, shortagesMax)",
    to: "shortages",
    tests: ["test/reasons.test.ts"],
  },
  {
    file: resources,
    what: "what is there of a product that is short is taken for what was asked",
    from: "`${each.productId}:${each.onHand}:${each.requested}`",
    to: "`${each.productId}:${each.requested}:${each.onHand}`",
    tests: ["test/reasons.test.ts"],
  },
  {
    file: "src/db/orders/status-refusals.ts",
    what: "a stale etag is told with another etag than the order has",
    from: "toEtag(refused.versionBefore)",
    to: "toEtag(refused.versionBefore + 1n)",
    tests: ["test/service/statuses.test.ts"],
  },
  {
    file: "src/db/orders/place-orders.ts",
    what: "an order that is short says what its first line asks for, and not all lines of the product",
    from: "requested: BigInt(quantity) }",
    to: "requested: BigInt(draft.items[0]!.quantity) }",
    tests: ["test/service/orders.test.ts"],
  },
  {
    file: "src/rpc/status.ts",
    what: "metadata that would fit is cut",
    from: "bytes <= METADATA_BYTES_MAX ? bytes : ",
    to: "",
    tests: ["test/reasons.test.ts"],
  },
  {
    file: calls,
    what: "an import that a drain ends does not say where to resume",
    from: "if (lastIndex === undefined)",
    to: "if (!lastIndex)",
    tests: ["test/reasons.test.ts"],
  },
  {
    file: database,
    what: "what follows a write says that nothing was changed",
    from: "return isUnanswered(error) ? outcomeUnknown(error) : error;",
    to: "return error;",
    tests: ["test/batch-answers.test.ts"],
  },
  {
    file: database,
    what: "a full queue behind a write says that nothing was changed",
    from: '(error.kind === "unavailable" || error.kind === "exhausted")',
    to: 'error.kind === "unavailable"',
    tests: ["test/mutate.test.ts"],
  },
  {
    file: database,
    what: "a taken email is an error of ours",
    from: "users_email_key: emailTaken,",
    to: "users_email: emailTaken,",
    tests: ["test/retries.test.ts"],
  },
  {
    file: catalogue,
    what: "a stale etag is another kind of refusal",
    from: '  ETAG_MISMATCH: {\n    kind: "aborted",',
    to: '  ETAG_MISMATCH: {\n    kind: "failed_precondition",',
    tests: ["test/service/batches.test.ts"],
  },
  {
    file: catalogue,
    what: "a key of an error stands in no document",
    from: 'metadata: { id: "always", from: "always", to: "always", index: "in an atomic batch" },',
    to: 'metadata: { id: "always", from: "always", index: "in an atomic batch" },',
    tests: ["test/reasons.test.ts"],
  },
  {
    file: "scripts/rules.ts",
    what: "the rules of elements are taken for those of the list",
    from: 'rule.name === "items" ? words.map((word) => `each ${word}`) : words',
    to: "words",
    tests: ["test/reference.test.ts"],
  },
  {
    file: tables,
    what: "a reason with two codes is listed under one of them",
    from: "return [code, codeWithKey];",
    to: "return [code];",
    tests: ["test/reasons.test.ts"],
  },
];
