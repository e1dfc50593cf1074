import { expect, test } from "vitest";
import type { Database } from "../src/db/engine/database.ts";
import { mutate } from "../src/db/engine/mutate.ts";
import type { Run } from "../src/db/engine/statement.ts";
import { DomainError } from "../src/errors.ts";

const taken = new DomainError("EMAIL_TAKEN", "taken");
const full = new DomainError("POOL_EXHAUSTED", "full");
const away = new DomainError("DATABASE_UNAVAILABLE", "away");
const nothing = { name: "test.nothing", text: "", readsOnly: false };
const deadline = { signal: new AbortController().signal, deadlineMs: Infinity };

/** Runs two statements that end in these ways, the second one whatever becomes of the first. */
function writeTwice(...ends: readonly (DomainError | undefined)[]): Promise<unknown> {
  const left = ends.values();
  const query = async (): Promise<unknown[]> => {
    const { value: end } = left.next();
    if (end) throw end;
    return [];
  };
  const db = { query } as unknown as Database;
  const write = async (run: Run): Promise<unknown> => {
    await run(nothing, []).catch((error: unknown) => {
      if (error !== taken) throw error;
    });
    return run(nothing, []);
  };
  return mutate(db, deadline, write, undefined);
}

test("a write whose first statement was not run has changed nothing", async () => {
  await expect(writeTwice(away)).rejects.toBe(away);
});

test.each([
  ["has run", undefined, full],
  ["was refused", taken, away],
])("a write whose first statement %s is in doubt when the next one is not run", async (_, first, then) => {
  await expect(writeTwice(first, then)).rejects.toMatchObject({ kind: "outcome_unknown" });
});

test("a refusal of a later statement stays what it is", async () => {
  await expect(writeTwice(undefined, taken)).rejects.toBe(taken);
});
