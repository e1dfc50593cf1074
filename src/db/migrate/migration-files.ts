import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import type { Engine } from "../../config.ts";

/** A step of the schema: a file of migrations/. */
export type Migration = {
  /** The file's name without the engine and `.sql`: `0003_orders`. */
  readonly version: string;
  readonly file: string;
  readonly sql: string;
  /** SHA-256 of `sql` in hexadecimal. */
  readonly checksum: string;
};

/** A row of schema_migrations. */
export type AppliedRow = { readonly version: string; readonly checksum: string };

/**
 * What the runner has done, for `readMigrations` to be compared with; the table is missing before the first
 * run. The condition, which every version meets, makes it no full scan, which CockroachDB may be told to
 * refuse.
 */
export const selectApplied =
  "select version, checksum from schema_migrations where version > '' order by version";

/** The migrations that come with the service. */
export const migrationsDirectory = path.join(import.meta.dirname, "../../../migrations");

/** The suffix of a file that is for one engine alone. */
const variants = { postgresql: "postgres", cockroachdb: "cockroachdb" } as const satisfies Record<
  Engine,
  string
>;

/**
 * The migrations of a directory for an engine, in order. A version is one file for all engines
 * (`0003_orders.sql`) or one for each (`0003_orders.postgres.sql` and `0003_orders.cockroachdb.sql`);
 * anything else that ends in `.sql` is an error, since a file that is silently left out is found in
 * production.
 */
export async function readMigrations(directory: string, engine: Engine): Promise<Migration[]> {
  const files = (await readdir(directory)).filter((file) => file.endsWith(".sql"));
  const names = files.map((file) => {
    const groups =
      /^(?<version>(?<number>\d{4})_[a-z0-9_]+)(?:\.(?<variant>postgres|cockroachdb))?\.sql$/.exec(
        file,
      )?.groups;
    if (groups === undefined)
      throw new Error(`${path.join(directory, file)} is not named like 0001_users.sql`);
    return { file, version: groups.version ?? "", number: groups.number ?? "", variant: groups.variant };
  });
  const byNumber = Map.groupBy(names, ({ number }) => number);
  const chosen = [...byNumber].map(([number, alternatives]) => {
    const [first] = alternatives;
    const found = alternatives
      .map(({ variant }) => variant ?? "plain")
      .toSorted()
      .join("+");
    const complete = found === "plain" || found === "cockroachdb+postgres";
    const mine = alternatives.find(({ variant }) => variant === undefined || variant === variants[engine]);
    if (!complete || mine === undefined || alternatives.some(({ version }) => version !== first?.version)) {
      const list = alternatives
        .map(({ file }) => file)
        .toSorted()
        .join(", ");
      throw new Error(`migration ${number} needs one file for all engines or one for each, and has ${list}`);
    }
    return mine;
  });
  const sorted = chosen.toSorted((a, b) => (a.version < b.version ? -1 : 1));
  return Promise.all(sorted.map(({ version, file }) => readMigration(directory, version, file)));
}

/**
 * Which of `migrations` the rows of schema_migrations lack. Fails if one was changed after it was applied:
 * the database is then not what the files say. Rows of versions that are not among `migrations` are ignored,
 * so that while a new release is rolled out the replicas of the old one stay ready.
 */
export function findPending(migrations: readonly Migration[], rows: readonly AppliedRow[]): Migration[] {
  const applied = new Map(rows.map(({ version, checksum }) => [version, checksum]));
  for (const { version, file, checksum } of migrations) {
    const before = applied.get(version);
    if (before !== undefined && before !== checksum) {
      const digests = `${file} has checksum ${checksum.slice(0, 12)}, applied was ${before.slice(0, 12)}`;
      throw new Error(
        `migration ${version} was changed after it was applied: ${digests}; restore it, add a new one`,
      );
    }
  }
  return migrations.filter(({ version }) => !applied.has(version));
}

/** What `migrations` and the rows of schema_migrations say about each other. */
export type Comparison = {
  /** Not applied yet, in order. */
  readonly pending: readonly Migration[];
  /** Applied by a newer release: versions behind the last of `migrations`, in order. */
  readonly newer: readonly string[];
};

/**
 * Compares `migrations` with what was applied. Fails unless one continues the other: all that is pending
 * comes after all that is applied, and what was applied without having a file comes after all of
 * `migrations`. That is what a newer release leaves, whose migrations this one can work with (CONTRIBUTING
 * has the rules).
 */
export function compareMigrations(migrations: readonly Migration[], rows: readonly AppliedRow[]): Comparison {
  const known = new Set(migrations.map(({ version }) => version));
  const newest = numberOf(migrations.at(-1)?.version ?? "");
  const unknown = rows.map(({ version }) => version).filter((version) => !known.has(version));
  const missing = unknown.find((version) => numberOf(version) <= newest);
  if (missing !== undefined) throw new Error(`migration ${missing} was applied and has no file`);
  const pending = findPending(migrations, rows);
  const last =
    rows
      .map(({ version }) => version)
      .toSorted()
      .at(-1) ?? "";
  const late = pending.find(({ version }) => version < last);
  if (late !== undefined) {
    throw new Error(
      `migration ${late.version} comes before ${last}, which is applied already: give it a higher number`,
    );
  }
  return { pending, newer: unknown.toSorted() };
}

/** Says what the database has been given by a newer release. */
export function describeNewer(newer: readonly string[]): string {
  const [what, them] = newer.length === 1 ? ["a migration", "it"] : ["migrations", "them"];
  return `the database has ${what} of a newer release, ${newer.join(", ")}: this one goes on without ${them}`;
}

/** Four digits, which sort as text. */
function numberOf(version: string): string {
  return version.slice(0, 4);
}

/**
 * The statements of a migration. One ends with a semicolon at the end of a line, and no line inside of one
 * ends with a semicolon: files that CockroachDB runs keep to that.
 */
export function splitStatements(sql: string): string[] {
  const withoutComments = sql.replaceAll(/^[ \t]*--.*$/gm, "");
  return withoutComments
    .split(/;[ \t]*$/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== "");
}

async function readMigration(directory: string, version: string, file: string): Promise<Migration> {
  const text = await readFile(path.join(directory, file), "utf8");
  // The same file, however git wrote its line ends.
  const sql = text.replaceAll("\r\n", "\n");
  return { version, file, sql, checksum: createHash("sha256").update(sql).digest("hex") };
}
