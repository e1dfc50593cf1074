import type { Node } from "libpg-query";
import { as, lastWord } from "./tree.ts";

/** An index of a table. */
export type Index = {
  readonly name: string;
  readonly columns: readonly string[];
  readonly isUnique: boolean;
};

/** A table as far as plans depend on it. */
export type Table = { readonly columns: ReadonlySet<string>; readonly indexes: readonly Index[] };

/**
 * The tables of all databases of a cluster, by name, as the definitions that have passed describe them. What
 * is defined unless it exists is what another database has already: one that is being migrated must not take
 * the indexes that it does not have yet from the statements in the others.
 */
export type Catalog = {
  /** Changes with each definition. */
  readonly version: number;
  find(table: string): Table | undefined;
  /** Takes a definition; anything else is ignored. */
  learn(statement: Node): void;
};

export function createCatalog(): Catalog {
  const tables = new Map<string, { columns: Set<string>; indexes: Index[] }>();

  function create(statement: Node): void {
    const { relation, tableElts = [], if_not_exists: isLenient } = as(statement, "CreateStmt")!;
    if (isLenient && tables.has(relation?.relname ?? "")) return;
    const columns = tableElts.flatMap((each) => as(each, "ColumnDef")?.colname ?? []);
    const ofTable = tableElts.flatMap((each) => as(each, "Constraint") ?? []);
    const ofColumns = tableElts.flatMap((each) => {
      const { colname = "", constraints = [] } = as(each, "ColumnDef") ?? {};
      return constraints.map((one) => ({ ...as(one, "Constraint")!, keys: [{ String: { sval: colname } }] }));
    });
    const indexes = [...ofTable, ...ofColumns]
      .filter(({ contype }) => contype === "CONSTR_PRIMARY" || contype === "CONSTR_UNIQUE")
      .map(({ conname = "", keys = [] }) => ({
        name: conname,
        columns: keys.map((key) => lastWord([key])),
        isUnique: true,
      }));
    tables.set(relation?.relname ?? "", { columns: new Set(columns), indexes });
  }

  let version = 0;
  return {
    get version() {
      return version;
    },
    find: (table) => tables.get(table),
    learn(statement) {
      version++;
      if (as(statement, "CreateStmt")) return create(statement);
      const index = as(statement, "IndexStmt");
      if (index) {
        const columns = (index.indexParams ?? []).map((each) => as(each, "IndexElem")?.name ?? "");
        const { idxname: name = "", unique: isUnique = false } = index;
        tables.get(index.relation?.relname ?? "")?.indexes.push({ name, columns, isUnique });
      }
      const alter = as(statement, "AlterTableStmt");
      for (const each of alter?.cmds ?? []) {
        const { subtype, def } = as(each, "AlterTableCmd") ?? {};
        const column = subtype === "AT_AddColumn" ? as(def, "ColumnDef")?.colname : undefined;
        if (column) tables.get(alter?.relation?.relname ?? "")?.columns.add(column);
      }
      const drop = as(statement, "DropStmt");
      if (drop?.removeType === "OBJECT_INDEX") {
        const names = new Set(drop.objects?.map((each) => lastWord(as(each, "List")?.items)));
        for (const table of tables.values())
          table.indexes = table.indexes.filter(({ name }) => !names.has(name));
      }
    },
  };
}
