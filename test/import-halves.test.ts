import { expect, test } from "vitest";
import { databaseAway, DomainError, outcomeUnknown } from "../src/errors.ts";
import { serverError } from "./support/failures.ts";
import { apart, contended, openImport, rowsOf } from "./support/import-chunks.ts";
import { settle } from "./support/batchers.ts";

test("a drain ends an import between the halves of a chunk", async () => {
  const { sent, end, draining } = openImport(apart(1));
  await settle();
  sent[0]!.fail(contended);
  await settle();

  draining.abort();
  sent[1]!.answer();

  expect(await end()).toMatchObject({ reason: "SHUTTING_DOWN", facts: { metadata: { last_index: "101" } } });
  expect(rowsOf(sent)).toEqual([
    [10, 11, 12, 13],
    [10, 11],
  ]);
});

test.each([
  ["that meets others on its rows", contended],
  ["for which the database has no room", new DomainError("DATABASE_OVERLOADED", "no room")],
  ["that the database stopped as too late", new DomainError("DEADLINE_EXCEEDED", "late")],
  ["that is too large for the database", serverError("54000")],
  ["of which a later round met others", outcomeUnknown(contended)],
])("a chunk %s is halved down to single rows, and grows back", async (_, error) => {
  const { sent, chunks, end } = openImport(apart(2));
  await settle();
  sent[0]!.fail(error);
  sent[1]!.answer();
  for (let n = 2; n < 5; n++) {
    await settle();
    if (n === 2) sent[n]!.fail(error);
    else sent[n]!.answer();
  }
  await settle();
  sent[5]!.answer();

  expect(await end()).toBe("it did not fail");
  expect(rowsOf(sent).slice(2)).toEqual([[10, 11], [10], [11], [12, 13]]);
  expect(chunks.map(({ firstIndex, lastIndex }) => [firstIndex, lastIndex])).toEqual([
    [100, 100],
    [101, 101],
    [102, 103],
    [104, 107],
  ]);
});

test("chunks grow back after one that was halved", async () => {
  const { sent, end, isOver } = openImport([10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
  await settle();
  sent[0]!.fail(contended);
  for (let n = 1; !isOver(); n++) {
    await settle();
    sent[n]?.answer();
  }

  expect(await end()).toBe("it did not fail");
  expect(rowsOf(sent).map(({ length }) => length)).toEqual([4, 2, 2, 4, 2]);
});

test("a single row that fails is not halved, and neither is a chunk that fails for another reason", async () => {
  const [single, whole] = [openImport([10]), openImport(apart(1))];
  await settle();

  single.sent[0]!.fail(contended);
  whole.sent[0]!.fail(databaseAway(undefined));

  expect([await single.end(), await whole.end()]).toMatchObject([
    { reason: "CONTENTION" },
    { reason: "DATABASE_UNAVAILABLE" },
  ]);
  expect([single.sent.length, whole.sent.length]).toEqual([1, 1]);
});

test("the rest of a chunk that may have been written as a whole is in doubt when its half fails", async () => {
  const { sent, end } = openImport(apart(1));
  await settle();
  sent[0]!.fail(outcomeUnknown(contended));
  await settle();

  sent[1]!.fail(databaseAway(undefined));

  expect(await end()).toMatchObject({ kind: "outcome_unknown" });
});

test("where an error is to stop the import, half of a chunk that was written leaves the other half in doubt", async () => {
  const { sent, chunks, end } = openImport(apart(1), { stopOnError: true });
  await settle();
  sent[0]!.fail(contended);
  await settle();
  sent[1]!.answer();
  await settle();

  sent[2]!.fail(databaseAway(undefined));

  expect(await end()).toMatchObject({ kind: "outcome_unknown" });
  expect(chunks).toEqual([]);
});
