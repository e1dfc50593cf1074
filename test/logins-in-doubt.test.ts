import { expect, test } from "vitest";
import { outcomeUnknown } from "../src/errors.ts";
import { createLogins } from "../src/services/logins.ts";

const limits = { attemptsMax: 5, delayMsMax: 900_000, callerFailuresMax: 300, knowsCallers: true };
const call = { principal: "ada" } as never;

test.each(["reserveAttempt", "clearAttempts", "countFailure"] as const)(
  "an attempt is UNAVAILABLE, and may be made again as it is, where the outcome of %s is not known",
  async (step) => {
    const batchers = {
      reserveAttempt: async () => 0,
      clearAttempts: async () => {},
      countFailure: async () => {},
      [step]: () => Promise.reject(outcomeUnknown(new Error("the connection was lost"))),
    };
    const logins = createLogins({} as never, batchers, limits, Buffer.alloc(32));

    const attempt = async () => {
      const { succeed, fail } = await logins.begin("ada@example.com", call);
      await succeed();
      await fail();
    };

    await expect(attempt()).rejects.toMatchObject({ kind: "unavailable", reason: "DATABASE_UNAVAILABLE" });
  },
);
