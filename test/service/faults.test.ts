import { expect, inject, test } from "vitest";
import { unprotected, type Unprotected } from "../faults/protections.ts";
import { playRound } from "../faults/rounds.ts";
import { createTestDatabase, execute } from "../support/databases.ts";

/** A second each. `npm run test:faults` plays as many as one likes. */
const seeds = [1, 2];
/** Seeds within which a missing protection must be found; nearly always the first one finds it. */
const seedsMax = 4;

test.each(seeds)("Every call happens once or not at all while the network breaks (seed %i)", async (seed) => {
  await using database = await createTestDatabase();

  const { findings, history } = await playRound(seed, database);

  expect(findings).toEqual([]);
  expect(history.filter(({ outcome }) => outcome.kind === "ok").length).toBeGreaterThan(100);
});

// What is shown is that the checker finds it, which it does alike on every engine.
test.runIf(inject("engine").engine === "postgresql").each(Object.entries<Unprotected>(unprotected))(
  "Without %s, calls happen twice, or in part, or after they were refused",
  async (_protection, { finds, sql, ...options }) => {
    const found = new Set<string>();

    for (let seed = 1; seed <= seedsMax && !finds.some((each) => found.has(each)); seed++) {
      await using database = await createTestDatabase();
      if (sql !== undefined) await execute(database.connection, sql);
      const { findings } = await playRound(seed, database, options);
      for (const { invariant } of findings) found.add(invariant);
    }

    expect(finds.some((each) => found.has(each))).toBe(true);
  },
);
