import { create, type DescMessage, type Message } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { createValidator } from "@bufbuild/protovalidate";
import { bounds } from "../bounds.ts";
import { createError } from "../errors.ts";
import { nth } from "../lists.ts";

/** Validates requests by the rules of the contract. */
export type RequestValidator = {
  /** Compiles the rules of a message: up to 75 ms that no caller should pay for. */
  readonly warm: (schema: DescMessage) => void;
  /** Throws INVALID_ARGUMENT naming each wrong field. */
  readonly check: (schema: DescMessage, request: Message) => void;
};

/** Descriptions for rules whose own messages describe the rule instead of the value. */
const plainly: Readonly<Record<string, string>> = {
  "int64.not_in": "must not be zero",
  "enum.not_in": "must be given",
  "enum.defined_only": "must be one of the contract's values",
  "string.not_contains": "must not contain a NUL character",
  "string.not_in": "must not be the nil UUID, the value of a variable that was never set",
};

/** Creates one validator for all methods; it caches the compiled rules. */
export function createRequestValidator(): RequestValidator {
  const validator = createValidator();
  return {
    warm(schema) {
      const { kind, error } = validator.validate(schema, create(schema));
      // Rules that do not compile are a fault of the contract, which must appear at start instead of in a
      // call.
      if (kind === "error") throw error;
    },
    check(schema, request) {
      const result = validator.validate(schema, request);
      if (result.kind === "valid") return;
      if (result.kind === "error") throw result.error;
      const { violations } = result;
      // The number of elements is bounded by now, so there are at most some thousand violations.
      const fields = violations.slice(0, bounds.violations.max).map(({ field, message, ruleId }) => ({
        field: pathToString(field),
        description: plainly[ruleId] ?? message,
      }));
      const { field, description } = nth(fields, 0);
      const more = violations.length > 1 ? ` (and ${violations.length - 1} more)` : "";
      throw createError("INVALID_FIELD", `${field}: ${description}${more}`, { fields });
    },
  };
}
