import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import type { Engine } from "../config.ts";

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
 * run.
 */
export const selectApplied = "select version, checksum from schema_migrations order by version";

/** The migrations that come with the service. */
export const migrationsDirectory = path.join(import.meta.dirname, "../../migrations");

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

/**
 * Fails unless `migrations` continue what the rows of schema_migrations say was applied: every row has its
 * migration and all that is pending comes after all that is applied.
 */
export function expectContinuation(migrations: readonly Migration[], rows: readonly AppliedRow[]): void {
  const known = new Set(migrations.map(({ version }) => version));
  const missing = rows.find(({ version }) => !known.has(version));
  if (missing !== undefined) {
    throw new Error(`migration ${missing.version} was applied and has no file: is this an older release?`);
  }
  const last =
    rows
      .map(({ version }) => version)
      .toSorted()
      .at(-1) ?? "";
  const late = findPending(migrations, rows).find(({ version }) => version < last);
  if (late !== undefined) {
    throw new Error(
      `migration ${late.version} comes before ${last}, which is applied already: give it a higher number`,
    );
  }
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
