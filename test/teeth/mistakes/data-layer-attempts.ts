import type { Mutation } from "../mutation.ts";

const attempts = "src/db/users/attempts.ts";

/** Mistakes in the statements about attempts to log in, and about secrets. */
export const attemptMutations: readonly Mutation[] = [
  {
    file: attempts,
    what: "attempts within the delay are judged",
    from: "from judged where retry_time is null or retry_time <= now() order by id",
    to: "from judged order by id",
    tests: ["test/service/logins.test.ts"],
  },
  {
    file: attempts,
    what: "the caller's delay counts for nothing",
    from: "greatest(a.retry_time, c.retry_time) as retry_time",
    to: "a.retry_time as retry_time",
    tests: ["test/service/attempt-rows.test.ts"],
  },
  {
    file: attempts,
    what: "each failure is the first one",
    from: "then l.failures else 0 end + 1,",
    to: "then 0 else 0 end + 1,",
    tests: ["test/service/attempt-rows.test.ts"],
  },
  {
    file: attempts,
    what: "more failures than there are delays have no delay",
    from: "        array_length($3::int4[], 1))`;",
    to: "        array_length($3::int4[], 1) + 1)`;",
    tests: ["test/service/attempt-rows.test.ts"],
  },
  {
    file: attempts,
    what: "what has expired is remembered",
    from: "least(case when l.expire_time > now() then l.failures else 0 end + 1,",
    to: "least(l.failures + 1,",
    tests: ["test/service/attempt-rows.test.ts"],
  },
  {
    file: attempts,
    what: "a wait of less than a millisecond is none",
    from: "Math.ceil(waitMs ?? 0)",
    to: "Math.floor(waitMs ?? 0)",
    tests: ["test/batch-answers.test.ts"],
  },
  {
    file: attempts,
    what: "failures of a caller at once count as one",
    from: "(counts.get(callerId) ?? 0) + 1",
    to: "1",
    tests: ["test/service/attempt-rows.test.ts"],
  },
  {
    file: attempts,
    what: "a caller has one failure more than it may",
    from: "case when ${counted} >= $3::int4",
    to: "case when ${counted} > $3::int4",
    tests: ["test/service/attempt-rows.test.ts"],
  },
  {
    file: attempts,
    what: "each failure of a caller begins a window",
    from: "case when l.expire_time > now() then l.expire_time else excluded.expire_time end",
    to: "excluded.expire_time",
    tests: ["test/service/attempt-rows.test.ts"],
  },
  {
    file: attempts,
    what: "a window that is over goes on",
    from: "then l.failures else 0 end + excluded.failures",
    to: "then l.failures else l.failures end + excluded.failures",
    tests: ["test/service/attempt-rows.test.ts"],
  },
  {
    file: attempts,
    what: "the sweep takes what still counts",
    from: "where expire_time <= now() order by",
    to: "order by",
    tests: ["test/service/attempt-rows.test.ts"],
  },
  {
    file: "src/db/secrets.ts",
    what: "each replica has a key of its own",
    from: "return (await findSecret(db, deadline, name))!;",
    to: 'return Buffer.from(made[1]!, "base64");',
    tests: ["test/service/secrets.test.ts"],
  },
  {
    file: "src/db/secrets.ts",
    what: "a key is half as long as it must be",
    from: "randomBytes(32)",
    to: "randomBytes(16)",
    tests: ["test/service/secrets.test.ts"],
  },
];
