import { expect, test } from "vitest";
import { parseConfig } from "../src/config.ts";
import { redactedConfig } from "../src/config/redacted.ts";
import { findProblems } from "./support/problems.ts";

test.each<[string, Record<string, string>, number]>([
  ["PostgreSQL", { DATABASE_URL: "postgres://app@localhost/shop" }, 5432],
  ["CockroachDB", { CRDB_HOST: "localhost", CRDB_SSL_MODE: "disable" }, 26_257],
])("a replica of %s stands beside its database", (_, env, port) => {
  const scheme = port === 5432 ? "postgres" : "cockroachdb";

  const { database } = parseConfig({ ...env, DATABASE_REPLICA_URL: `${scheme}://reader:s3cret@[::1]/shop` });

  const place = { host: "::1", port, user: "reader", password: "s3cret", database: "shop", ssl: false };
  expect(database).toMatchObject({ connection: { host: "localhost", port }, replica: place });
});

test("what is wrong with a replica is told by its own name", () => {
  const problemsOf = (url: string) =>
    findProblems({ DATABASE_URL: "postgres://app@localhost/shop", DATABASE_REPLICA_URL: url });

  expect(problemsOf("postgres://app:s3cret@h/shop?sslmode=prefer")).toEqual([
    expect.stringMatching(/^DATABASE_REPLICA_URL: sslmode prefer may end in plain text/),
  ]);
  expect(problemsOf("postgres://app@h/shop?sslrootcert=/nowhere")).toEqual([
    "DATABASE_REPLICA_URL sslrootcert: /nowhere cannot be read (ENOENT)",
  ]);
});

test("a replica of no database is refused", () => {
  expect(findProblems({ DATABASE_REPLICA_URL: "postgres://app@localhost/shop" })).toEqual([
    "DATABASE_REPLICA_URL: is set without a database: set DATABASE_URL or CRDB_HOST, too",
  ]);
});

test("the password of a replica is redacted", () => {
  const env = { DATABASE_URL: "postgres://app:a@h/d", DATABASE_REPLICA_URL: "postgres://app:s3cret@h2/d" };

  const redacted = redactedConfig(parseConfig(env));

  expect(redacted).toMatchObject({
    database: { replica: { host: "h2", password: "[redacted]", ssl: true } },
  });
  expect(JSON.stringify(redacted)).not.toContain("s3cret");
});
