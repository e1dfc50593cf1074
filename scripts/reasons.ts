// The catalogue of error reasons as tables, one for each code: for docs/errors.md.
import { Code } from "@connectrpc/connect";
import { type Reason, reasons } from "../src/errors.ts";
import { CODES } from "../src/rpc/status.ts";
import type { Table } from "./limits.ts";

const REPEAT = {
  never: "no",
  after_wait: "after a wait",
  at_once: "at once",
  same_request_id: "with the same request_id",
} as const;

/** A table for each code that has reasons, in the order of the codes' numbers. */
export function reasonTables(): Table[] {
  return Object.values(Code)
    .filter((code): code is Code => typeof code === "number")
    .map((code) => ({ title: toName(code), columns: ["reason", "metadata", "repeat?", "what to do"], code }))
    .map(({ code, ...table }) => ({ ...table, rows: reasonsOf(code).map(toRow) }))
    .filter(({ rows }) => rows.length > 0);
}

/** A reason with two kinds stands under the codes of both. */
function reasonsOf(code: Code): Reason[] {
  return (Object.keys(reasons) as Reason[])
    .filter((reason) => {
      const { kind, kindWithKey = kind } = reasons[reason];
      return CODES[kind] === code || CODES[kindWithKey] === code;
    })
    .toSorted();
}

function toRow(reason: Reason): string[] {
  const { metadata = {}, repeat, action } = reasons[reason];
  const keys = Object.entries(metadata).map(([key, when]) =>
    when === "always" ? `\`${key}\`` : `\`${key}\` (${when})`,
  );
  return [reason, keys.join(", "), REPEAT[repeat], action];
}

/** A code as gRPC writes it. */
function toName(code: Code): string {
  if (code === Code.Canceled) return "CANCELLED";
  return Code[code].replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase();
}
