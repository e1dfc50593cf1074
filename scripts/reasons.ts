// The reasons of errors as tables, one for each code: for docs/errors.md.
import { type DescEnumValue, getOption } from "@bufbuild/protobuf";
import {
  ErrorReasonSchema,
  type MetadataKey,
  reason,
  Repeat,
} from "../src/gen/commerce/errors/v1/error_reason_pb.ts";
import { CodeSchema } from "../src/gen/google/rpc/code_pb.ts";
import { paragraphsOf, readContract } from "./contract.ts";
import type { Table } from "./limits.ts";

const repeats: Readonly<Partial<Record<Repeat, string>>> = {
  [Repeat.NEVER]: "no",
  [Repeat.AFTER_WAIT]: "after a wait",
  [Repeat.AT_ONCE]: "at once",
  [Repeat.SAME_REQUEST_ID]: "with the same request_id",
};

/** A table for each code that has reasons, in the order of the codes' numbers. */
export function reasonTables(): Table[] {
  // The generated descriptor has no comments.
  const { values = [] } = readContract().getEnum(ErrorReasonSchema.typeName) ?? {};
  return CodeSchema.values
    .filter(({ name }) => name !== "OK")
    .map(({ number, name }) => ({
      title: name,
      columns: ["reason", "metadata", "repeat?", "what it means, and what to do"],
      rows: values
        .filter((value) => value.number !== 0 && codesOf(value).includes(number))
        .toSorted((a, b) => (a.name < b.name ? -1 : 1))
        .map(toRow),
    }))
    .filter(({ rows }) => rows.length > 0);
}

/** A reason with two codes stands under both. */
function codesOf(value: DescEnumValue): number[] {
  const { code, codeWithKey } = getOption(value, reason);
  return [code, codeWithKey];
}

function toRow(value: DescEnumValue): string[] {
  const { metadata, repeat } = getOption(value, reason);
  return [value.name, metadata.map(toCell).join("; "), repeats[repeat] ?? "", paragraphsOf(value).join(" ")];
}

function toCell({ key, when, value }: MetadataKey): string {
  return `\`${key}\`${when === "" ? "" : ` (${when})`}: ${value}`;
}
