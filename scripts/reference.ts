// The contract as Markdown: for docs/api.md.
import {
  type DescEnum,
  type DescField,
  type DescMessage,
  type DescMethod,
  type DescService,
  getOption,
} from "@bufbuild/protobuf";
import {
  FieldDescriptorProto_Type as FieldType,
  MethodOptions_IdempotencyLevel as IdempotencyLevel,
} from "@bufbuild/protobuf/wkt";
import { ErrorReasonSchema } from "../src/gen/commerce/errors/v1/error_reason_pb.ts";
import { ReadConsistencySchema } from "../src/gen/commerce/read/v1/read_consistency_pb.ts";
import { policy } from "../src/gen/commerce/options/v1/options_pb.ts";
import { services } from "../src/bindings.ts";
import { paragraphsOf, readContract } from "./contract.ts";
import { limitsOfMethod } from "./limits.ts";
import { toTable } from "./markdown.ts";
import { toRules } from "./rules.ts";

/** All services of the contract with what they take and answer, each package with its messages and enums. */
export function toReference(): string {
  const contract = readContract();
  const described = services.map(({ typeName }) => contract.getService(typeName)!);
  const contents = described.map((service) => `* ${toLink(service.name)}: ${toList(service)}\n`);
  const shared = contract.getEnum(ReadConsistencySchema.typeName)!;
  return [contents.join(""), ...described.map(toSection), toEnum(shared)].join("\n");
}

function toList({ methods }: DescService): string {
  return methods.map(({ name }) => toLink(name)).join(", ");
}

function toSection(service: DescService): string {
  const { messages, enums } = service.file;
  return [
    `## ${service.name}\n\n\`${service.typeName}\`\n`,
    ...paragraphsOf(service).map((paragraph) => `${paragraph}\n`),
    ...service.methods.map(toMethod),
    ...messages.filter((message) => !isOfMethod(service, message)).map((message) => toMessage(message)),
    ...enums.map(toEnum),
  ].join("\n");
}

/** Whether a message is described with the method that takes or answers it. */
function isOfMethod({ methods }: DescService, message: DescMessage): boolean {
  return methods.some(({ input, output }) => input === message || output === message);
}

function toMethod(method: DescMethod): string {
  return [
    `### ${method.name}\n`,
    ...paragraphsOf(method).map((paragraph) => `${paragraph}\n`),
    toTable(["", ""], toFacts(method)),
    toMessage(method.input, "####"),
    toMessage(method.output, "####"),
  ].join("\n");
}

/** What the options of a method say. */
function toFacts(method: DescMethod): string[][] {
  const { scopes, reasons, idempotencyKeyField } = getOption(method, policy);
  const { request, deadline, longest, idle } = limitsOfMethod(method);
  const names = reasons.map((number) => ErrorReasonSchema.value[number]?.name ?? "");
  return [
    ["scopes", scopes.map((scope) => `\`${scope}\``).join(", ")],
    ["repeated", toRepetition(method, idempotencyKeyField)],
    ...(method.methodKind === "unary" ? [] : [["streams", toStreams(method)]]),
    [method.methodKind === "bidi_streaming" ? "a request" : "request", `at most ${request}`],
    [
      "deadline",
      idle === "none" ? `${deadline} if the caller sets none; at most ${longest}` : `none but the caller's`,
    ],
    ...(idle === "none" ? [] : [["idle", `at most ${idle}`]]),
    ["reasons", names.join(", ")],
  ];
}

function toRepetition({ idempotency }: DescMethod, key: string): string {
  if (idempotency === IdempotencyLevel.NO_SIDE_EFFECTS) return "safe: it only reads; over HTTP also by GET";
  return key === "" ? "not safe: each call counts" : `safe with the same \`${key}\`: it happens once`;
}

function toStreams({ methodKind }: DescMethod): string {
  return methodKind === "bidi_streaming" ? "requests and answers" : "answers";
}

function toMessage(message: DescMessage, heading = "###"): string {
  const text = [
    `${heading} ${message.name}\n`,
    ...paragraphsOf(message).map((paragraph) => `${paragraph}\n`),
  ];
  const rows = message.fields.map((field) => [
    `\`${field.name}\``,
    toType(field, message),
    toRules(field),
    paragraphsOf(field).join(" "),
  ]);
  if (rows.length > 0) text.push(toTable(["field", "type", "rules", "meaning"], rows));
  return text.join("\n");
}

/** The type of a field; one that is described here without its package, with a link. */
function toType(field: DescField, { file }: DescMessage): string {
  const repeated = field.fieldKind === "list" ? "repeated " : "";
  const type = field.message ?? field.enum;
  if (type === undefined) return `${repeated}${FieldType[field.proto.type].toLowerCase()}`;
  const isHere = type.file === file || type.typeName === ReadConsistencySchema.typeName;
  return `${repeated}${isHere ? toLink(type.name) : type.typeName}`;
}

function toEnum(desc: DescEnum): string {
  return [
    `### ${desc.name}\n`,
    ...paragraphsOf(desc).map((paragraph) => `${paragraph}\n`),
    toTable(
      ["value", "number", "meaning"],
      desc.values.map((value) => [`\`${value.name}\``, String(value.number), paragraphsOf(value).join(" ")]),
    ),
  ].join("\n");
}

/** Headings get anchors in lower case. */
function toLink(name: string): string {
  return `[${name}](#${name.toLowerCase()})`;
}
