// Writes src/errors/catalogue.ts from the reasons in the contract.
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { getOption } from "@bufbuild/protobuf";
import type { Definition, Kind } from "../src/errors/definition.ts";
import {
  ErrorReasonSchema,
  Origin,
  reason,
  type ReasonPolicy,
  Repeat,
} from "../src/gen/commerce/errors/v1/error_reason_pb.ts";
import { Code } from "../src/gen/google/rpc/code_pb.ts";

/** The kind of each code; src/rpc/status.ts goes the other way. */
const kinds: Readonly<Partial<Record<Code, Kind>>> = {
  [Code.CANCELLED]: "cancelled",
  [Code.UNKNOWN]: "outcome_unknown",
  [Code.INVALID_ARGUMENT]: "invalid",
  [Code.DEADLINE_EXCEEDED]: "deadline_exceeded",
  [Code.NOT_FOUND]: "not_found",
  [Code.ALREADY_EXISTS]: "already_exists",
  [Code.PERMISSION_DENIED]: "permission_denied",
  [Code.UNAUTHENTICATED]: "unauthenticated",
  [Code.RESOURCE_EXHAUSTED]: "exhausted",
  [Code.FAILED_PRECONDITION]: "failed_precondition",
  [Code.ABORTED]: "aborted",
  [Code.UNIMPLEMENTED]: "unimplemented",
  [Code.INTERNAL]: "internal",
  [Code.UNAVAILABLE]: "unavailable",
};

const repeats: Readonly<Partial<Record<Repeat, Definition["repeat"]>>> = {
  [Repeat.NEVER]: "never",
  [Repeat.AFTER_WAIT]: "after_wait",
  [Repeat.AT_ONCE]: "at_once",
  [Repeat.SAME_REQUEST_ID]: "same_request_id",
};

const parts = [
  { name: "methodReasons", origin: Origin.METHOD, what: "Why the service refuses what a call asks for." },
  {
    name: "callReasons",
    origin: Origin.CALL,
    what: "Why any call may fail: its request, its caller, its time, a limit, the database.",
  },
  {
    name: "transportReasons",
    origin: Origin.TRANSPORT,
    what: "What a port answers by itself, to what is no call or cannot become one.",
  },
];

const text = `// Written by \`npm run generate\` from the reasons in proto/commerce/errors/v1/.
import type { Definition } from "./definition.ts";
${parts.map(toSource).join("")}`;
await writeFile(path.join(import.meta.dirname, "..", "src", "errors", "catalogue.ts"), text);

function toSource({ name, origin, what }: (typeof parts)[number]): string {
  const reasons = ErrorReasonSchema.values
    .filter((value) => value.number !== 0)
    .map((value) => ({ name: value.name, policy: getOption(value, reason) }))
    .filter(({ policy }) => policy.origin === origin)
    .map(({ name: key, policy }) => [key, toDefinition(key, policy)] as const);
  const definitions = JSON.stringify(Object.fromEntries(reasons));
  return `
/** ${what} */
export const ${name} = ${definitions} as const satisfies Readonly<Record<string, Definition>>;
`;
}

function toDefinition(name: string, { code, codeWithKey, repeat, metadata }: ReasonPolicy): Definition {
  const kind = kinds[code];
  const kindWithKey = kinds[codeWithKey];
  const repeated = repeats[repeat];
  if (kind === undefined || repeated === undefined) throw new Error(`${name} has no code or no repeat`);
  return {
    kind,
    ...(kindWithKey && { kindWithKey }),
    repeat: repeated,
    ...(metadata.length > 0 && {
      metadata: Object.fromEntries(metadata.map(({ key, when }) => [key, when || "always"])),
    }),
  };
}
