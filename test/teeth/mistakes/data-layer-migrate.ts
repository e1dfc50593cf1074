import type { Mutation } from "../mutation.ts";

const migrate = "src/db/migrate/migrate.ts";
const migrations = "src/db/migrate/migration-files.ts";
const lease = "src/db/migrate/lease.ts";
const leased = ["test/migration-lease.test.ts"];
const releases = ["test/migrate-releases.test.ts"];

/** Mistakes in how the schema is brought about, by one process at a time. */
export const migrateMutations: readonly Mutation[] = [
  {
    file: migrate,
    what: "a migration ends after the time that the database gives to statements",
    from: "const settings: Settings = { statement_timeout: 0 };",
    to: "const settings: Settings = {};",
    tests: leased,
  },
  {
    file: migrate,
    what: "what another process has applied meanwhile is applied again",
    from: "const { pending } = compareMigrations(migrations, await readApplied(client));",
    to: "const { pending } = before;",
    tests: ["test/migrate.test.ts"],
  },
  {
    file: migrate,
    what: "a run that is ended goes on to the next migration",
    from: "    for (const migration of pending) {\n      signal?.throwIfAborted();",
    to: "    for (const migration of pending) {",
    tests: leased,
  },
  {
    file: migrate,
    what: "a migration is serializable, and fails by the renewals of its lease",
    from: 'await client.query(begin["read committed"]);',
    to: "await client.query(begin.default);",
    tests: leased,
  },
  {
    file: migrate,
    what: "a migration commits although its lease is lost",
    from: "await expectLease(client, lease);\n    await client.query(insertApplied, [version,",
    to: "await client.query(insertApplied, [version,",
    tests: ["test/migrate.test.ts"],
  },
  {
    file: migrate,
    what: "a migration that ends its transaction is taken",
    from: 'if (client.getTransactionStatus() !== "T") {',
    to: 'if (client.getTransactionStatus() === "E") {',
    tests: ["test/migrate.test.ts"],
  },
  {
    file: migrate,
    what: "one who only checks applies nothing, and finds nothing lacking",
    from: "if (pending.length === 0) return;\n  const lacking",
    to: "if (pending.length >= 0) return;\n  const lacking",
    tests: leased,
  },
  {
    file: migrations,
    what: "a migration that was changed after it was applied is taken",
    from: "if (before !== undefined && before !== checksum)",
    to: "if (before !== undefined && before.length !== checksum.length)",
    tests: releases,
  },
  {
    file: migrations,
    what: "a migration that comes before an applied one is applied",
    from: "if (late !== undefined) {",
    to: "if (late !== undefined && last === late.version) {",
    tests: releases,
  },
  {
    file: migrations,
    what: "an applied migration without a file is one of a newer release",
    from: "if (missing !== undefined) throw",
    to: "if (missing === newest) throw",
    tests: releases,
  },
  {
    file: migrations,
    what: "a migration is another one when its line ends are",
    from: 'text.replaceAll("\\r\\n", "\\n")',
    to: "text",
    tests: ["test/migrate.test.ts"],
  },
  {
    file: migrations,
    what: "a version may lack the file of one engine",
    from: 'found === "plain" || found === "cockroachdb+postgres"',
    to: 'found !== ""',
    tests: ["test/migrations.test.ts"],
  },
  {
    file: migrations,
    what: "statements are split where a semicolon stands in a line",
    from: ".split(/;[ \\t]*$/m)",
    to: ".split(/;/m)",
    tests: ["test/migrations.test.ts"],
  },
  {
    file: lease,
    what: "the lease is not renewed",
    from: "    void renew();\n",
    to: "",
    tests: leased,
  },
  {
    file: lease,
    what: "a lease that another process has is held on to",
    from: "      else controller.abort(lost());\n",
    to: "",
    tests: leased,
  },
  {
    file: lease,
    what: "a lease is held on to although its connection is dead",
    from: "if (Date.now() - renewed > leaseMs) controller.abort(lost());\n    void renew();",
    to: "void renew();",
    tests: leased,
  },
  {
    file: lease,
    what: "a lease is lost with the first renewal that fails",
    from: "while the lease lasts.\n      if (Date.now() - renewed > leaseMs) controller",
    to: "while the lease lasts.\n      controller",
    tests: leased,
  },
  {
    file: lease,
    what: "the lease of another process is given back",
    from: 'where id = 1 and owner = $1::uuid",',
    to: 'where id = 1 and $1::uuid is not null",',
    tests: leased,
  },
  {
    file: lease,
    what: "a lease that lasts is taken over",
    from: "where l.expire_time < clock_timestamp()",
    to: "where l.expire_time < clock_timestamp() + interval '1 hour'",
    tests: ["test/migrate.test.ts"],
  },
  {
    file: lease,
    what: "the lease of a process that is gone is waited for",
    from: "    where l.expire_time < clock_timestamp()",
    to: "    where l.expire_time < clock_timestamp() - interval '1 hour'",
    tests: ["test/migrate.test.ts"],
  },
  {
    file: lease,
    what: "a lease that has run out is renewed",
    from: "where id = 1 and owner = $1::uuid and expire_time > clock_timestamp()",
    to: "where id = 1 and owner = $1::uuid",
    tests: leased,
  },
];
