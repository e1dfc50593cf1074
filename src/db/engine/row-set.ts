/** The types of columns that a field's values can be sent as. A decimal is sent as text: see toDecimal(). */
type SqlType<Value> = Value extends string
  ? "uuid" | "text" | "decimal"
  : Value extends number | bigint
    ? "int4" | "int8"
    : Value extends boolean
      ? "bool"
      : never;

/**
 * Rows that a statement is sent: one parameter for each column, an array of the column's values. The text
 * that reads them and the values to send are made from one declaration, and so in one order.
 */
export type RowSet<Row> = {
  /** The rows as a table of a name: `unnest($1::int4[], $2::uuid[]) as r (n, id)`. */
  from(name: string): string;
  /** A query of all rows: `select n, id from unnest($1::int4[], $2::uuid[]) as r (n, id)`. */
  select(name: string): string;
  /** The parameter of one field: `$2::uuid[]`. */
  parameter(field: keyof Row): string;
  /** The names of the columns, in order. */
  readonly names: readonly string[];
  /** The number of the first parameter behind the rows. */
  readonly next: number;
  /** What is sent for the parameters, in order; what is undefined is null. */
  values(rows: readonly Row[]): unknown[][];
};

/**
 * Declares the column and its type for each field of a row, such as `{ userId: "user_id uuid" }`, and the
 * number of the first parameter. A field without a column does not compile, and neither does a column whose
 * type does not fit the field's.
 */
export function rowSet<Row>(
  declared: { readonly [Field in keyof Row]-?: `${string} ${SqlType<NonNullable<Row[Field]>>}` },
  first = 1,
): RowSet<Row> {
  const fields = Object.keys(declared) as (keyof Row)[];
  const pairs = Object.values<string>(declared).map((column) => column.split(" "));
  const names = pairs.map(([name]) => name!);
  const parameters = pairs.map(([, type], n) => `$${first + n}::${type}[]`);
  const from = (name: string): string => `unnest(${parameters.join(", ")}) as ${name} (${names.join(", ")})`;
  return {
    from,
    select: (name) => `select ${names.join(", ")} from ${from(name)}`,
    parameter: (field) => parameters[fields.indexOf(field)]!,
    names,
    next: first + fields.length,
    values: (rows) => fields.map((field) => rows.map((row) => row[field])),
  };
}
