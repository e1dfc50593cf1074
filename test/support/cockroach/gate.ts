import type { Catalog } from "./catalog.ts";
import type { Hub } from "./hub.ts";
import { findProblems } from "./scans.ts";
import type { Translation } from "./translate.ts";
import type { Refusal } from "./variables.ts";

/** Tables of a few rows: CockroachDB exempts those below large_full_scan_rows. */
const small = new Set(["schema_migrations", "schema_migrations_lock"]);

type Scanned = { readonly version: number; readonly tables: readonly string[] };

const judged = new WeakMap<Catalog, WeakMap<Translation, Scanned>>();

/** The tables that CockroachDB would read from end to end; found once, until something is defined. */
function findScanned(translation: Translation, catalog: Catalog): readonly string[] {
  const known = judged.get(catalog) ?? new WeakMap<Translation, Scanned>();
  judged.set(catalog, known);
  const before = known.get(translation);
  if (before?.version === catalog.version) return before.tables;
  const problems = translation.statements.flatMap((each) => findProblems(each, catalog));
  const scans = problems.filter(({ problem, table }) => problem === "full scan" && !small.has(table));
  const tables = scans.map(({ table }) => table);
  known.set(translation, { version: catalog.version, tables });
  return tables;
}

/** Why a statement is refused, if it is. Counts what would read a table from end to end. */
export function findRefusal(
  translations: readonly Translation[],
  variables: ReadonlyMap<string, string>,
  { catalog, counts }: Hub,
): Refusal | undefined {
  for (const translation of translations) {
    const { refusal, source } = translation;
    if (refusal) return refusal;
    const tables = findScanned(translation, catalog);
    if (tables.length === 0) continue;
    counts.fullScans.set(source, tables);
    if (variables.get("disallow_full_table_scans") === "on") {
      const what = `a full table/index scan of ${tables.join(", ")} which is explicitly disallowed`;
      return { code: "P0003", message: `query contains ${what}` };
    }
  }
  return undefined;
}
