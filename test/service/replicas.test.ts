import { expect, inject, test } from "vitest";
import { arriveForgotten, arriveLate, getLock } from "../faults/revive.ts";
import { createTestDatabase } from "../support/databases.ts";
import { heldUp, wishes } from "../support/wishes.ts";

// What is promised: a call that one replica has refused does not happen, whatever another replica was asked
// before. `npm run test:faults -- --revive N` plays each of these N times.

test.each(Object.entries(wishes))(
  "%s that the other replica has refused does not happen when what the first one sent arrives",
  async (_name, kind) => {
    const seen = await arriveLate(createTestDatabase, kind);

    expect(seen).toEqual({ answers: ["Canceled", kind.reason], hasHappened: false });
  },
);

test("CreateOrder that is refused after a cut of over ten seconds does not happen later", async () => {
  const seen = await arriveForgotten(createTestDatabase, wishes["CreateOrder"]!);

  expect(seen).toEqual({ answers: ["Canceled", "INSUFFICIENT_STOCK"], hasHappened: false });
});

test.skipIf(inject("engine").engine !== "postgresql").each(Object.entries(heldUp))(
  "%s that the other replica has refused does not happen when the first one's statement gets its lock",
  async (_name, kind) => {
    const seen = await getLock(createTestDatabase, kind);

    expect(seen).toEqual({ answers: ["Canceled", kind.reason], hasHappened: false });
  },
);
