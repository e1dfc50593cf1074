// Writes src/gen/encoders.ts: a function for each message that the contract's methods answer with.
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { type DescField, type DescMessage, type DescOneof, ScalarType } from "@bufbuild/protobuf";
import { Edition, FeatureSet_FieldPresence as Presence, isWrapperDesc } from "@bufbuild/protobuf/wkt";
import { InventoryService } from "../src/gen/commerce/inventory/v1/inventory_service_pb.ts";
import { OrderService } from "../src/gen/commerce/order/v1/order_service_pb.ts";
import { UserService } from "../src/gen/commerce/user/v1/user_service_pb.ts";

/** The functions of src/rpc/wire.ts that write values; those of other types are rare. */
const writers: Readonly<Partial<Record<ScalarType, string>>> = {
  [ScalarType.STRING]: "text",
  [ScalarType.BYTES]: "octets",
  [ScalarType.INT32]: "int32",
  [ScalarType.INT64]: "int64",
};

const services = [UserService, OrderService, InventoryService];

/** All messages within the answers, those within others first. */
const messages = new Set<DescMessage>();
for (const { methods } of services) for (const { output } of methods) collect(output, new Set());

const source = `// Written by \`npm run generate\` from the contract.
import * as wire from "../rpc/wire.ts";
import type { Fields } from "../rpc/wire.ts";

${[...messages].map(toFunction).join("\n")}
/**
 * By message type, what writes a message as protobuf-es does, whether it was created or is what create()
 * takes; what is rare it leaves to protobuf-es.
 */
export const encoders: Readonly<Record<string, (message: Fields) => void>> = {
${[...messages].map((message) => `  "${message.typeName}": ${nameOf(message)},\n`).join("")}};
`;
await writeFile(path.join(import.meta.dirname, "..", "src", "gen", "encoders.ts"), source);

function collect(message: DescMessage, within: Set<DescMessage>): void {
  if (messages.has(message) || within.has(message)) return;
  within.add(message);
  for (const { message: inner } of message.fields) if (inner && isUsual(inner)) collect(inner, within);
  messages.add(message);
}

/** Its fields are stored as they are declared, and zero where they are not given. */
function isUsual({ file, typeName }: DescMessage): boolean {
  return file.edition === Edition.EDITION_PROTO3 && typeName !== "google.protobuf.Struct";
}

/** `commerce.order.v1.Order` → `commerceOrderV1Order`. */
function nameOf({ typeName }: DescMessage): string {
  return typeName.replaceAll(/\.(.)/g, (_, first: string) => first.toUpperCase());
}

function toFunction(message: DescMessage): string {
  const members = [...message.fields].toSorted((a, b) => a.number - b.number);
  const names = new Set(members.map((field) => (field.oneof ?? field).localName));
  const lines = members.map((field) => (field.oneof ? toCase(field, field.oneof) : toField(field)));
  return `function ${nameOf(message)}($message: Fields): void {
  const { ${["$unknown", ...names].join(", ")} } = $message;
  if ($unknown !== undefined) wire.rare();
${lines.map((line) => `  ${line}\n`).join("")}}
`;
}

function toCase(field: DescField, { localName }: DescOneof): string {
  const chosen = `wire.fields(${localName})`;
  const isChosen = `${localName} != null && ${chosen}["case"] === "${field.localName}"`;
  return `if (${isChosen}) ${toValue(field, `${chosen}["value"]`)}`;
}

function toField(field: DescField): string {
  const { localName, fieldKind } = field;
  const isGiven = `${localName} != null`;
  switch (fieldKind) {
    case "list":
      return `if (${isGiven}) for (const each of wire.elements(${localName})) ${toElement(field)}`;
    case "map":
      return `if (${isGiven} && Object.keys(wire.fields(${localName})).length > 0) wire.rare();`;
    case "message":
      return `if (${isGiven}) ${isWrapperDesc(field.message) ? "wire.rare();" : toValue(field, localName)}`;
    case "scalar":
    case "enum": {
      const isSet = field.presence === Presence.IMPLICIT ? ` && ${toIsSet(field)}` : "";
      return `if (${isGiven}${isSet}) ${toValue(field, localName)}`;
    }
    default:
      return fieldKind satisfies never;
  }
}

function toElement(field: DescField & { fieldKind: "list" }): string {
  const isPacked = field.listKind !== "message" && field.packed;
  return isPacked ? "wire.rare();" : toValue(field, "each");
}

function toIsSet({ scalar, localName }: DescField): string {
  switch (scalar) {
    case ScalarType.STRING:
      return `${localName} !== ""`;
    case ScalarType.INT64:
      return `${localName} !== 0n`;
    case ScalarType.BYTES:
      return `wire.isFilled(${localName})`;
    default:
      return `${localName} !== 0`;
  }
}

/** Writes a value with its tag. */
function toValue(field: DescField, value: string): string {
  if (field.message) {
    const tag = (field.number << 3) | 2;
    if (!isUsual(field.message)) return "wire.rare();";
    const write = `${nameOf(field.message)}(wire.fields(${value}));`;
    return `{ const start = wire.begin(${tag}); ${write} wire.end(start); }`;
  }
  const writer = field.enum ? "int32" : writers[field.scalar];
  if (writer === undefined) return "wire.rare();";
  const wireType = writer === "text" || writer === "octets" ? 2 : 0;
  return `wire.${writer}(${(field.number << 3) | wireType}, ${value});`;
}
