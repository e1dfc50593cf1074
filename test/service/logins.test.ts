import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import fc from "fast-check";
import { expect, inject, test } from "vitest";
import { UserService } from "../../src/gen/commerce/user/v1/user_service_pb.ts";
import { RetryInfoSchema } from "../../src/gen/google/rpc/error_details_pb.ts";
import { startServer } from "../../src/server.ts";
import { toDelays } from "../../src/services/logins.ts";
import { execute } from "../support/databases.ts";
import { failure, outcomes } from "../support/errors.ts";
import { openShop, type Shop } from "../support/shop.ts";

const right = "correct horse";
const wrong = "wrong horse";

/** Lets a time pass for all attempts that are remembered. */
async function pass(shop: Shop, seconds: number): Promise<void> {
  const shift = `update login_attempts set retry_time = retry_time - $1::int4 * interval '1 second',
    expire_time = expire_time - $1::int4 * interval '1 second'`;
  await execute(shop.connection, shift, [seconds]);
}

/** How the attempts end, one after the other: by the reason, or OK. */
async function attempt({ users }: Shop, email: string, passwords: readonly string[]): Promise<string[]> {
  const reasons = [];
  for (const password of passwords) {
    const [failed] = await outcomes([users.authenticateUser({ email, password })]);
    reasons.push(failed === undefined ? "OK" : failed.reason!);
  }
  return reasons;
}

/** The delay of a RetryInfo, in seconds. */
async function delayOf(call: Promise<unknown>): Promise<number> {
  const error = ConnectError.from(await call.catch((thrown: unknown) => thrown));
  expect(error.code).toBe(Code.ResourceExhausted);
  const { retryDelay } = error.findDetails(RetryInfoSchema)[0]!;
  return Number(retryDelay!.seconds) + retryDelay!.nanos / 1e9;
}

const five = Array.from({ length: 5 }, () => wrong);
const fiveFailures = five.map(() => "INVALID_CREDENTIALS");

test.each(["a user", "nobody"])(
  "after five failures on the email of %s attempts wait, longer each time",
  async (owner) => {
    await using shop = await openShop();
    const email = owner === "nobody" ? "eve@example.com" : (await shop.user()).email;

    const failures = await attempt(shop, email, five);
    const first = await delayOf(
      shop.users.authenticateUser({ email: ` ${email.toUpperCase()}`, password: right }),
    );
    await pass(shop, 1);
    const next = await attempt(shop, email, [wrong]);
    const second = await delayOf(shop.users.authenticateUser({ email, password: wrong }));

    expect(failures).toEqual(fiveFailures);
    expect(next).toEqual(["INVALID_CREDENTIALS"]);
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThanOrEqual(1);
    expect(second).toBeGreaterThan(first);
    expect(second).toBeLessThanOrEqual(2);
  },
);

test("the right password within the delay is refused as a wrong one is, and afterwards forgets the failures", async () => {
  await using shop = await openShop();
  const { email } = await shop.user();
  await attempt(shop, email, five);

  const early = await failure(shop.users.authenticateUser({ email, password: right }));
  await pass(shop, 1);
  const later = await attempt(shop, email, [right, ...five]);

  expect(early).toEqual({ code: "ResourceExhausted", reason: "TOO_MANY_ATTEMPTS", retry: true });
  expect(later).toEqual(["OK", ...fiveFailures]);
});

test("failures are forgotten when none has been added for long", async () => {
  await using shop = await openShop();
  const { email } = await shop.user();
  await attempt(shop, email, five);

  await pass(shop, 24 * 3_600);

  expect(await attempt(shop, email, five)).toEqual(fiveFailures);
});

test("of parallel guesses at two services on one database no more are judged than are free", async () => {
  await using shop = await openShop();
  await using other = await startServer(shop.config);
  const { email } = await shop.user();
  const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${other.grpc.port}` });
  const services = [shop.users, createClient(UserService, transport)];

  const beganMs = performance.now();

  const answers = await outcomes(
    Array.from({ length: 1_000 }, (_, n) => services[n % 2]!.authenticateUser({ email, password: wrong })),
  );

  const judged = answers.filter((answer) => answer?.reason === "INVALID_CREDENTIALS");
  const reasons = new Set(answers.map((answer) => answer?.reason));
  expect(reasons).toEqual(new Set(["INVALID_CREDENTIALS", "TOO_MANY_ATTEMPTS", "TOO_MANY_PASSWORDS"]));
  // One more is free a second after the last, and another one two seconds later.
  const delays = Math.floor(Math.log2(1 + (performance.now() - beganMs) / 1_000));
  expect(judged.length - 5).toBeOneOf(Array.from({ length: delays + 1 }, (_, n) => n));
});

test("emails are not in the table of attempts, and rows that count no more are deleted in passing", async () => {
  await using shop = await openShop();
  for (let n = 0; n < 63; n++) await attempt(shop, `user-${n}@example.com`, [wrong]);
  const before = await execute(shop.connection, "select * from login_attempts");
  await pass(shop, 24 * 3_600);

  await attempt(shop, "last@example.com", [wrong]);

  expect(before).toHaveLength(63);
  expect(JSON.stringify(before)).not.toContain("example");
  // CockroachDB deletes by itself, some time.
  const left = inject("engine").engine === "postgresql" ? 1 : 64;
  expect(await execute(shop.connection, "select id from login_attempts")).toHaveLength(left);
});

test("without limits any number of attempts is judged, and none is remembered", async () => {
  await using shop = await openShop({ logins: { attemptsMax: 0 } });
  const { email } = await shop.user();

  const reasons = await attempt(shop, email, [...five, ...five, right]);

  expect(reasons).toEqual([...fiveFailures, ...fiveFailures, "OK"]);
  expect(await execute(shop.connection, "select id from login_attempts")).toEqual([]);
});

test("callers who are not known do not lock each other out", async () => {
  await using shop = await openShop({ logins: { callerFailuresMax: 1 } });
  const { email } = await shop.user();

  await attempt(shop, "eve@example.com", five);

  expect(await attempt(shop, email, [right])).toEqual(["OK"]);
});

test("delays are none for the free failures, then double from a second up to the longest, which comes last", () => {
  const limits = fc.record({
    attemptsMax: fc.integer({ min: 1, max: 100 }),
    delayMsMax: fc.integer({ min: 1_000, max: 3_600_000 }),
  });
  fc.assert(
    fc.property(limits, ({ attemptsMax, delayMsMax }) => {
      const delaysMs = toDelays({ attemptsMax, delayMsMax });

      const [free, growing] = [delaysMs.slice(0, attemptsMax - 1), delaysMs.slice(attemptsMax - 1)];
      expect(free).toEqual(free.map(() => 0));
      expect(growing).toEqual(growing.map((_, n) => Math.min(1_000 * 2 ** n, delayMsMax)));
      expect(growing.at(-1)).toBe(delayMsMax);
      expect(growing.filter((delayMs) => delayMs === delayMsMax)).toHaveLength(1);
    }),
  );
});
