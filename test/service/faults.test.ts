import { expect, inject, test } from "vitest";
import { killDatabase } from "../faults/kills.ts";
import { unprotected, type Unprotected } from "../faults/protections.ts";
import { playRound } from "../faults/rounds.ts";
import { createTestDatabase, execute } from "../support/databases.ts";

/** For a machine whose cores others use as well: three rounds, each with a choice of faults of its own. */
const seeds = [1, 2, 3];
/** Each protection is missed by the first of these seeds most times, and by one of them always. */
const seedsMax = 6;

test.each(seeds)("Every call happens once or not at all while the network breaks (seed %i)", async (seed) => {
  await using database = await createTestDatabase();

  const { findings, history } = await playRound(seed, database);

  expect(findings).toEqual([]);
  expect(history.filter(({ outcome }) => outcome.kind === "ok").length).toBeGreaterThan(100);
});

test.each(Object.entries<Unprotected>(unprotected))(
  "Without %s, calls happen twice, or in part, or after they were refused",
  async (_protection, { finds, sql, ...options }) => {
    const found = new Set<string>();

    for (let seed = 1; seed <= seedsMax && found.size === 0; seed++) {
      await using database = await createTestDatabase();
      if (sql !== undefined) await execute(database.connection, sql);
      const { findings } = await playRound(seed, database, options);
      for (const { invariant } of findings) found.add(invariant);
    }

    expect(finds).toEqual(expect.arrayContaining([...found]));
    expect(found.size).toBeGreaterThan(0);
  },
);

test.runIf(inject("engine").engine === "postgresql")(
  "What was acknowledged survives kill -9 of the database, and the service answers within 2 s of its return",
  async () => {
    const { findings } = await killDatabase(1, 2, () => {});

    expect(findings).toEqual([]);
  },
);
