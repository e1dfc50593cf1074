import {
  type DescEnum,
  type DescExtension,
  type DescField,
  type DescFile,
  type DescMessage,
  type DescOneof,
  getExtension,
  hasExtension,
  type Message,
} from "@bufbuild/protobuf";
import { isReflectList, isReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import {
  EnumOptionsSchema,
  EnumValueOptionsSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as FieldType,
  FieldOptionsSchema,
  FileOptionsSchema,
  MessageOptionsSchema,
  OneofOptionsSchema,
} from "@bufbuild/protobuf/wkt";

// The highest field number is 2^29 - 1; in a range the source writes it as "max".
const fieldNumberEnd = 2 ** 29;

/**
 * Prints the source of a proto2 file from its descriptor: compiling the source gives the descriptor again,
 * comments aside. Options may be extensions that the file itself declares. Throws for what
 * buf/validate/validate.proto, for which this was written, does not contain: other syntaxes, services,
 * groups, maps, defaults and nested extensions.
 */
export function printProto(file: DescFile): string {
  const { syntax, dependency, options } = file.proto;
  // A descriptor leaves the syntax empty for proto2.
  if (syntax !== "" && syntax !== "proto2") throw new Error(`cannot print syntax ${syntax}`);
  if (file.services.length > 0) throw new Error("cannot print services");
  const lines = [
    'syntax = "proto2";',
    "",
    `package ${file.proto.package};`,
    "",
    ...dependency.map((name) => `import "${name}";`),
    "",
    ...printOptions(file, FileOptionsSchema, options).map((option) => `option ${option};`),
    "",
    ...printExtensions(file),
    ...file.messages.flatMap((message) => [...printMessage(file, message), ""]),
    ...file.enums.flatMap((desc) => [...printEnum(file, desc), ""]),
  ];
  return `${lines.join("\n").trimEnd()}\n`;
}

function printExtensions(file: DescFile): string[] {
  const byExtendee = Map.groupBy(file.extensions, (extension) => extension.extendee.typeName);
  return [...byExtendee].flatMap(([extendee, extensions]) => [
    ...printBlock(
      `extend .${extendee}`,
      extensions.flatMap((extension) => printField(file, extension)),
    ),
    "",
  ]);
}

function printMessage(file: DescFile, desc: DescMessage): string[] {
  if (desc.nestedExtensions.length > 0) throw new Error(`cannot print the extensions in ${desc.typeName}`);
  const { options, reservedRange, reservedName, extensionRange } = desc.proto;
  return printBlock(`message ${desc.name}`, [
    ...printOptions(file, MessageOptionsSchema, options).map((option) => `option ${option};`),
    // The ends of a message's ranges are exclusive, those of an enum's are not.
    ...reservedRange.map(({ start, end }) => `reserved ${printRange(start, end - 1)};`),
    ...printReservedNames(reservedName),
    ...extensionRange.map(({ start, end }) => `extensions ${printRange(start, end - 1)};`),
    ...desc.members.flatMap((member) =>
      member.kind === "oneof" ? printOneof(file, member) : printField(file, member),
    ),
    ...desc.nestedMessages.flatMap((nested) => printMessage(file, nested)),
    ...desc.nestedEnums.flatMap((nested) => printEnum(file, nested)),
  ]);
}

function printOneof(file: DescFile, desc: DescOneof): string[] {
  return printBlock(`oneof ${desc.name}`, [
    ...printOptions(file, OneofOptionsSchema, desc.proto.options).map((option) => `option ${option};`),
    ...desc.fields.flatMap((field) => printField(file, field)),
  ]);
}

function printField(file: DescFile, field: DescField | DescExtension): string[] {
  const { name, number, type, typeName, label, defaultValue, options } = field.proto;
  if (field.fieldKind === "map" || type === FieldType.GROUP || defaultValue !== "") {
    throw new Error(`cannot print the map, the group or the default of ${name}`);
  }
  const named = type === FieldType.MESSAGE || type === FieldType.ENUM;
  const words = [
    ...(field.oneof === undefined ? [Label[label].toLowerCase()] : []),
    named ? typeName : FieldType[type].toLowerCase(),
    name,
    "=",
    String(number),
  ].join(" ");
  const texts = printOptions(file, FieldOptionsSchema, options);
  if (texts.length === 0) return [`${words};`];
  return [`${words} [`, ...indent(texts.join(",\n").split("\n")), "];"];
}

function printEnum(file: DescFile, desc: DescEnum): string[] {
  const { options, reservedRange, reservedName, value } = desc.proto;
  return printBlock(`enum ${desc.name}`, [
    ...printOptions(file, EnumOptionsSchema, options).map((option) => `option ${option};`),
    ...reservedRange.map(({ start, end }) => `reserved ${printRange(start, end)};`),
    ...printReservedNames(reservedName),
    ...value.map(({ name, number, options: valueOptions }) => {
      const texts = printOptions(file, EnumValueOptionsSchema, valueOptions);
      return `${name} = ${number}${texts.length > 0 ? ` [${texts.join(", ")}]` : ""};`;
    }),
  ]);
}

/**
 * The options of one element as `name = value`: those of descriptor.proto first, then the file's extensions.
 */
function printOptions(file: DescFile, schema: DescMessage, options: Message | undefined): string[] {
  if (options === undefined) return [];
  const reflected = reflect(schema, options);
  const standard = schema.fields
    .filter((field) => reflected.isSet(field))
    .map((field) => `${field.name} = ${printValue(field, reflected.get(field))}`);
  const custom = file.extensions
    .filter(({ extendee }) => extendee.typeName === schema.typeName)
    .filter((extension) => hasExtension(options, extension))
    .map((extension) => {
      if (extension.fieldKind !== "message") throw new Error(`cannot print the option ${extension.typeName}`);
      // The extension's kind says that its value is a message of its type; the generic lookup cannot.
      const value = getExtension(options, extension) as Message;
      return `(${extension.typeName}) = ${printValue(extension, reflect(extension.message, value))}`;
    });
  return [...standard, ...custom];
}

/** A value in protobuf's text format: what stands behind the `=` of an option. */
function printValue(field: DescField | DescExtension, value: unknown): string {
  if (isReflectList(value)) return `[${Array.from(value, (item) => printValue(field, item)).join(", ")}]`;
  if (isReflectMessage(value)) {
    const set = value.fields.filter((member) => value.isSet(member));
    const texts = set.map((member) => `${member.name}: ${printValue(member, value.get(member))}`);
    return `{ ${texts.join(", ")} }`;
  }
  if (field.enum !== undefined) {
    return field.enum.values.find(({ number }) => number === value)?.name ?? String(value);
  }
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}

function printReservedNames(names: readonly string[]): string[] {
  return names.length > 0 ? [`reserved ${names.map((name) => JSON.stringify(name)).join(", ")};`] : [];
}

function printRange(first: number, last: number): string {
  if (first === last) return String(first);
  return `${first} to ${last === fieldNumberEnd - 1 ? "max" : last}`;
}

function printBlock(head: string, body: readonly string[]): string[] {
  return [`${head} {`, ...indent(body), "}"];
}

function indent(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}
