import pg from "pg";
import { toE4 } from "./service/database.ts";

/** Reads an instant as PostgreSQL prints it in a session in UTC: microseconds since 1970. */
function toMicros(text: string): bigint {
  const [whole = "", fraction = ""] = text.replace(/\+00$/, "").split(".");
  return BigInt(Date.parse(`${whole.replace(" ", "T")}Z`)) * 1_000n + BigInt(fraction.padEnd(6, "0"));
}

const { INT8, NUMERIC, TIMESTAMPTZ } = pg.types.builtins;
const parsers: Record<number, (text: string) => unknown> = {
  [INT8]: BigInt,
  [NUMERIC]: toE4,
  [TIMESTAMPTZ]: toMicros,
};

/** How node-postgres reads columns for the tutorial: without losing anything of what the service answers. */
export const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: "text") =>
    parsers[oid] ?? pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
};
