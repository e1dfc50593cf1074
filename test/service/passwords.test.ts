import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { createPasswords } from "../../src/services/passwords.ts";
import { outcomes, type Failure } from "../support/errors.ts";
import { startProxy } from "../support/proxy.ts";
import { openShop } from "../support/shop.ts";

const signal = new AbortController().signal;

test("the queue takes no more than its bound, and of one caller no more than it leaves to others", () => {
  const passwords = createPasswords();
  const refusals: unknown[] = [];
  const takeAll = (principal: string): Disposable[] => {
    const places: Disposable[] = [];
    try {
      for (;;) places.push(passwords.queue({ principal, signal }));
    } catch (error) {
      refusals.push(error);
      return places;
    }
  };

  const [first, second] = [takeAll("ada"), takeAll("eve")];
  const queued = passwords.queued();
  for (const place of [...first, ...second]) place[Symbol.dispose]();

  expect(refusals).toMatchObject([1, 2].map(() => ({ kind: "exhausted", reason: "TOO_MANY_PASSWORDS" })));
  expect(second.length).toBeGreaterThan(0);
  expect(first.length).toBeGreaterThan(second.length);
  expect(queued).toBe(first.length + second.length);
  expect(passwords.queued()).toBe(0);
});

test("of 1,024 logins and registrations at once some are refused before the database is asked, and GetUser is answered", async () => {
  let asked = 0;
  await using shop = await openShop({ calls: { inFlightMax: 4_096 } }, { through: startProxy });
  const ada = await shop.user();
  shop.proxy.decide = ({ statement }) => {
    if (statement === "users.get_by_email" || statement === "users.create") asked++;
    return undefined;
  };
  const newcomer = (n: number) =>
    shop.users.createUser({ email: `${randomUUID()}@example.com`, name: `${n}`, password: "correct horse" });
  const login = (n: number) =>
    shop.users.authenticateUser({ email: `user-${n}@example.com`, password: "correct horse" });

  const crowd = outcomes(Array.from({ length: 1_024 }, (_, n) => (n % 2 === 0 ? newcomer(n) : login(n))));
  const read = await outcomes(Array.from({ length: 100 }, () => shop.users.getUser({ id: ada.id })));
  const answers = await crowd;

  expect(read).toEqual(Array.from({ length: 100 }, () => undefined));
  const refused = answers.filter((answer) => answer?.reason === "TOO_MANY_PASSWORDS") as Failure[];
  const reasons = new Set(answers.map((answer) => answer?.reason));
  expect(reasons).toEqual(new Set([undefined, "INVALID_CREDENTIALS", "TOO_MANY_PASSWORDS"]));
  expect(new Set(refused.map(({ code, retry }) => `${code} ${retry}`))).toEqual(
    new Set(["ResourceExhausted true"]),
  );
  expect(asked).toBeLessThanOrEqual(answers.length - refused.length);
});
