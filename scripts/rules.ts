// The rules of the contract's fields in words, as far as they are written as options.
import { type DescField, getOption } from "@bufbuild/protobuf";
import { isReflectList, isReflectMessage, reflect, type ReflectMessage } from "@bufbuild/protobuf/reflect";
import {
  field as fieldRules,
  FieldRulesSchema,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";

/** The rules of a field, by protovalidate's names: `min_len 1, max_len 200`. Empty if there are none. */
export function toRules(field: DescField): string {
  return wordsOf(reflect(FieldRulesSchema, getOption(field, fieldRules))).join(", ");
}

/** The names of `ignore`, as a reader of a field would say them. */
const ignored: Readonly<Record<string, string>> = {
  IGNORE_IF_ZERO_VALUE: "may be empty",
  IGNORE_ALWAYS: "each by itself",
};

function wordsOf(rules: ReflectMessage): string[] {
  return rules.fields.filter((rule) => rules.isSet(rule)).flatMap((rule) => toWords(rule, rules.get(rule)));
}

function toWords(rule: DescField, value: unknown): string[] {
  if (isReflectMessage(value)) {
    const words = wordsOf(value);
    return rule.name === "items" ? words.map((word) => `each ${word}`) : words;
  }
  if (rule.name === "ignore") {
    const name = rule.enum?.values.find(({ number }) => number === value)?.name ?? "";
    return [ignored[name] ?? name];
  }
  if (isReflectList(value)) return [`${rule.name} ${Array.from(value, toText).join(" ")}`];
  return value === true ? [rule.name] : [`${rule.name} ${toText(value)}`];
}

function toText(value: unknown): string {
  return typeof value === "string" ? `\`${JSON.stringify(value)}\`` : String(value);
}
