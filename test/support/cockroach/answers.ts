import { message, type Message } from "../wire.ts";
import { toTypeNumber, type Retyped } from "./types.ts";
import type { Refusal } from "./variables.ts";

/** The fields of an error, by their letters. */
export type Fields = ReadonlyMap<string, string>;

/** Reads an ErrorResponse. */
export function readFields({ bytes }: Message): Fields {
  const words = bytes.toString("utf8", 5).split("\0");
  return new Map(words.filter((word) => word !== "").map((word) => [word[0]!, word.slice(1)]));
}

/** Writes an ErrorResponse. CockroachDB's are of the severity ERROR, also those that end a session. */
export function errorOf(fields: Fields | Refusal): Buffer {
  const all =
    fields instanceof Map
      ? (fields as Fields)
      : new Map(Object.entries({ C: (fields as Refusal).code, M: (fields as Refusal).message }));
  const entries = [...new Map([["S", "ERROR"], ["V", "ERROR"], ...all])];
  return message("E", `${entries.map(([letter, text]) => `${letter}${text}\0`).join("")}\0`);
}

/**
 * What CockroachDB says of what PostgreSQL could not serialize, and of a deadlock, which it finds as one
 * transaction pushing another: https://www.cockroachlabs.com/docs/stable/transaction-retry-error-reference.
 */
const contention: Readonly<Record<string, string>> = {
  "40001": "TransactionRetryWithProtoRefreshError: TransactionRetryError: retry txn (RETRY_SERIALIZABLE)",
  "40P01":
    "TransactionRetryWithProtoRefreshError: TransactionAbortedError(ABORT_REASON_PUSHER_ABORTED): aborted",
};

/** Whether an error says that the transaction met another one, and is to be run again. */
export function isContention(fields: Fields): boolean {
  return Object.hasOwn(contention, fields.get("C") ?? "");
}

/** An error of PostgreSQL's in the words of CockroachDB. */
export function toOwn(fields: Fields): Fields {
  const code = fields.get("C")!;
  const reason = contention[code];
  const own = new Map([...fields, ["S", "ERROR"], ["V", "ERROR"]]);
  if (reason !== undefined) {
    own.set("C", "40001").set("M", `restart transaction: ${reason}`);
    own.delete("D");
  }
  if (code === "57014")
    own.set(
      "M",
      `query execution canceled${/timeout/.test(fields.get("M")!) ? " due to statement timeout" : ""}`,
    );
  return own;
}

/** A RowDescription with CockroachDB's types. */
export function toOwnColumns({ bytes }: Message, retyped: readonly (Retyped | undefined)[]): Buffer {
  const own = Buffer.from(bytes);
  let at = 7;
  for (let n = 0; n < own.readInt16BE(5); n++) {
    const type = own.indexOf(0, at) + 7;
    own.writeInt32BE(toTypeNumber(retyped[n], own.readInt32BE(type)), type);
    at = type + 12;
  }
  return own;
}
