import type { Mutation } from "../mutation.ts";

const logins = "src/services/logins.ts";
const passwords = "src/services/passwords.ts";
const keys = "src/services/page-keys.ts";
const pages = "src/services/pages.ts";

/** Mistakes in logins, passwords and pages. */
export const loginsAndPages: readonly Mutation[] = [
  {
    file: logins,
    what: "the longest delay is the last one that doubling makes",
    from: "return [...delaysMs, delayMsMax];",
    to: "return delaysMs;",
    tests: ["test/service/logins.test.ts"],
  },
  {
    file: logins,
    what: "callers who are not known are limited together",
    from: "knowsCallers && callerFailuresMax > 0",
    to: "callerFailuresMax > 0",
    tests: ["test/service/logins.test.ts"],
  },
  {
    file: logins,
    what: "known callers are not limited",
    from: "if (failure) await batchers.countFailure",
    to: "if (!failure) await batchers.countFailure",
    tests: ["test/service/login-callers.test.ts"],
  },
  {
    file: logins,
    what: "attempts that count no more are never deleted",
    from: "if (++failures % failuresBetweenSweeps === 0)",
    to: "if (++failures < 0)",
    tests: ["test/service/logins.test.ts"],
  },
  {
    file: logins,
    what: "the delay is not said in the error",
    from: "message, { retryAfterMs: waitMs });",
    to: "message);",
    tests: ["test/service/logins.test.ts"],
  },
  {
    file: logins,
    what: "without a limit of attempts the first one is refused",
    from: "if (attemptsMax === 0)",
    to: "if (attemptsMax < 0)",
    tests: ["test/service/logins.test.ts"],
  },
  {
    file: passwords,
    what: "a caller may take all places of the queue",
    from: "floor: bounds.passwordsFloor.max",
    to: "floor: max",
    tests: ["test/service/passwords.test.ts"],
  },
  {
    file: passwords,
    what: "a place in the queue is never freed",
    from: "[Symbol.dispose]: () => shares.release(principal),",
    to: "[Symbol.dispose]: () => {},",
    tests: ["test/service/passwords.test.ts"],
  },
  {
    file: passwords,
    what: "a user who does not exist costs no hash",
    from: "const { tag, ...parameters } = parsePhc(hash ?? noPassword);",
    to: "if (hash === undefined) return false; const { tag, ...parameters } = parsePhc(hash);",
    tests: ["test/service/passwords.test.ts", "test/service/users.test.ts"],
  },
  {
    file: passwords,
    what: "the password of a caller who has left is hashed",
    from: "signal.throwIfAborted();",
    to: "",
    tests: ["test/service/passwords.test.ts"],
  },
  {
    file: passwords,
    what: "passwords in another Unicode form are others",
    from: 'password.normalize("NFC")',
    to: "password",
    tests: ["test/service/passwords.test.ts", "test/service/users.test.ts"],
  },
  {
    file: passwords,
    what: "all passwords are hashed with one salt",
    from: "const salt = randomBytes(16);",
    to: "const salt = Buffer.alloc(16);",
    tests: ["test/service/passwords.test.ts", "test/service/users.test.ts"],
  },
  {
    file: passwords,
    what: "one pass in the place of two",
    from: "passes: 2, parallelism: 1",
    to: "passes: 1, parallelism: 1",
    tests: ["test/service/users.test.ts"],
  },
  {
    file: keys,
    what: "the tokens of the last period are not taken",
    from: "period >= periodOf() - PERIODS_KEPT",
    to: "period >= periodOf()",
    tests: ["test/page-keys.test.ts"],
  },
  {
    file: keys,
    what: "the tokens of a clock that is ahead are not taken",
    from: "period <= periodOf() + 1",
    to: "period <= periodOf()",
    tests: ["test/page-keys.test.ts"],
  },
  {
    file: keys,
    what: "a key that could not be read is never asked for again",
    from: "loading.catch(() => keys.delete(period));",
    to: "loading.catch(() => {});",
    tests: ["test/page-keys.test.ts"],
  },
  {
    file: pages,
    what: "the largest page has no bound",
    from: "return Math.min(asked === 0 ? pageSizeDefault : asked, pageSizeMax);",
    to: "return asked === 0 ? pageSizeDefault : asked;",
    tests: ["test/service/pages.test.ts"],
  },
  {
    file: pages,
    what: "a full page has a next one",
    from: "if (entries.length <= size)",
    to: "if (entries.length < size)",
    tests: ["test/parsing.test.ts"],
  },
  {
    file: "src/shares.ts",
    what: "a holder may have more than it leaves to the others",
    from: "mineOf(holder) + amount <= Math.max(floor, max - taken)",
    to: "mineOf(holder) + amount <= max",
    tests: ["test/shares.test.ts"],
  },
  {
    file: "src/shares.ts",
    what: "a holder has no floor",
    from: "Math.max(floor, max - taken)",
    to: "max - taken",
    tests: ["test/shares.test.ts"],
  },
];
