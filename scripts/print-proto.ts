// Prints a .proto source from a protobuf-es file descriptor. Enough for buf/validate/validate.proto.
import { create, toJson, createRegistry, getExtension, hasExtension, isFieldSet, ScalarType, type DescFile, type DescMessage, type DescEnum, type DescField, type DescExtension, type DescOneof, type Message, type Registry } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { FieldOptionsSchema, MessageOptionsSchema, FileOptionsSchema, EnumOptionsSchema, EnumValueOptionsSchema, OneofOptionsSchema, FieldDescriptorProto_Label, FieldDescriptorProto_Type } from "@bufbuild/protobuf/wkt";

export function printProto(file: DescFile): string {
  const reg = createRegistry(file);
  const out: string[] = [];
  const fp = file.proto;
  const syntax = fp.syntax === "" ? "proto2" : fp.syntax;
  out.push(syntax === "editions" ? `edition = "${String(file.edition)}";` : `syntax = "${syntax}";`, "");
  out.push(`package ${fp.package};`, "");
  for (const d of fp.dependency) out.push(`import "${d}";`);
  out.push("");
  for (const o of options(fp.options, FileOptionsSchema)) out.push(`option ${o};`);
  out.push("");
  const extGroups = new Map<string, DescExtension[]>();
  for (const e of file.extensions) (extGroups.get(e.extendee.typeName) ?? extGroups.set(e.extendee.typeName, []).get(e.extendee.typeName)!).push(e);
  for (const [t, exts] of extGroups) {
    out.push(`extend .${t} {`);
    for (const e of exts) field(e, "  ");
    out.push("}", "");
  }
  for (const m of file.messages) message(m, "");
  for (const e of file.enums) enumeration(e, "");
  return out.join("\n") + "\n";

  function options(opts: Message | undefined, schema: DescMessage): string[] {
    if (!opts) return [];
    const res: string[] = [];
    const r = reflect(schema, opts as any);
    for (const f of schema.fields) {
      if (!isFieldSet(opts as any, f) || f.name === "uninterpreted_option") continue;
      const v = r.get(f);
      if (f.fieldKind === "enum") res.push(`${f.name} = ${f.enum.value[v as number]!.name}`);
      else if (f.fieldKind === "scalar") res.push(`${f.name} = ${scalar(f.scalar, v)}`);
      else throw new Error(`unsupported option ${f.name}`);
    }
    for (const e of file.extensions) {
      if (e.extendee.typeName !== schema.typeName || !hasExtension(opts as any, e)) continue;
      const v = getExtension(opts as any, e);
      if (e.fieldKind === "message") res.push(`(${e.typeName}) = ${aggregate(e.message, v as Message)}`);
      else throw new Error("unsupported ext");
    }
    return res;
  }
  function scalar(t: ScalarType, v: unknown): string {
    if (t === ScalarType.STRING) return JSON.stringify(v);
    return String(v);
  }
  function aggregate(desc: DescMessage, msg: Message): string {
    const r = reflect(desc, msg as any);
    const parts: string[] = [];
    for (const f of desc.fields) {
      if (!r.isSet(f)) continue;
      if (f.fieldKind === "list") {
        const vals = [...(r.get(f) as Iterable<any>)].map((x) => f.listKind === "message" ? aggregate(f.message!, x.message) : f.listKind === "scalar" ? scalar(f.scalar!, x) : f.enum!.value[x]!.name);
        parts.push(`${f.name}: [${vals.join(", ")}]`);
      } else if (f.fieldKind === "message") parts.push(`${f.name}: ${aggregate(f.message, (r.get(f) as any).message)}`);
      else if (f.fieldKind === "scalar") parts.push(`${f.name}: ${scalar(f.scalar, r.get(f))}`);
      else if (f.fieldKind === "enum") parts.push(`${f.name}: ${f.enum.value[r.get(f) as number]!.name}`);
      else throw new Error("map");
    }
    return `{ ${parts.join(", ")} }`;
  }
  function typeName(p: DescField["proto"]): string {
    if (p.type === FieldDescriptorProto_Type.MESSAGE || p.type === FieldDescriptorProto_Type.ENUM) return p.typeName;
    return FieldDescriptorProto_Type[p.type].toLowerCase();
  }
  function field(f: DescField | DescExtension, ind: string, inOneof = false) {
    const p = f.proto;
    let label = "";
    if (p.label === FieldDescriptorProto_Label.REPEATED) label = "repeated ";
    else if (!inOneof && (syntax === "proto2" || p.proto3Optional)) label = p.label === FieldDescriptorProto_Label.REQUIRED ? "required " : "optional ";
    let type = typeName(p);
    if (f.fieldKind === "map") {
      label = "";
      const e = reg.getMessage(p.typeName.slice(1)) ?? (f as any).parent.nestedMessages.find((m: DescMessage) => "." + m.typeName === p.typeName);
      const [k, v] = (f as any).parent.proto.nestedType.find((n: any) => p.typeName.endsWith("." + n.name))!.field;
      type = `map<${typeName(k)}, ${typeName(v)}>`;
    }
    const opts = options(p.options, FieldOptionsSchema);
    if (p.defaultValue) opts.unshift(`default = ${p.type === FieldDescriptorProto_Type.STRING ? JSON.stringify(p.defaultValue) : p.defaultValue}`);
    out.push(`${ind}${label}${type} ${p.name} = ${p.number}${opts.length ? ` [\n${opts.map((o) => ind + "  " + o).join(",\n")}\n${ind}]` : ""};`);
  }
  function message(m: DescMessage, ind: string) {
    out.push(`${ind}message ${m.name} {`);
    const i2 = ind + "  ";
    for (const o of options(m.proto.options, MessageOptionsSchema)) out.push(`${i2}option ${o};`);
    for (const r of m.proto.reservedRange) out.push(`${i2}reserved ${r.start}${r.end - 1 > r.start ? ` to ${r.end - 1}` : ""};`);
    if (m.proto.reservedName.length) out.push(`${i2}reserved ${m.proto.reservedName.map((n) => JSON.stringify(n)).join(", ")};`);
    for (const r of m.proto.extensionRange) out.push(`${i2}extensions ${r.start} to ${r.end >= 536870912 ? "max" : r.end - 1};`);
    for (const mem of m.members) {
      if (mem.kind === "oneof") {
        out.push(`${i2}oneof ${mem.name} {`);
        for (const o of options(mem.proto.options, OneofOptionsSchema)) out.push(`${i2}  option ${o};`);
        for (const f of mem.fields) field(f, i2 + "  ", true);
        out.push(`${i2}}`);
      } else field(mem, i2);
    }
    for (const n of m.nestedMessages) if (!n.proto.options?.mapEntry) message(n, i2);
    for (const e of m.nestedEnums) enumeration(e, i2);
    out.push(`${ind}}`, "");
  }
  function enumeration(e: DescEnum, ind: string) {
    out.push(`${ind}enum ${e.proto.name} {`);
    for (const o of options(e.proto.options, EnumOptionsSchema)) out.push(`${ind}  option ${o};`);
    for (const r of e.proto.reservedRange) out.push(`${ind}  reserved ${r.start}${r.end > r.start ? ` to ${r.end}` : ""};`); // the end is inclusive for enums
    if (e.proto.reservedName.length) out.push(`${ind}  reserved ${e.proto.reservedName.map((n) => JSON.stringify(n)).join(", ")};`);
    for (const v of e.proto.value) {
      const o = options(v.options, EnumValueOptionsSchema);
      out.push(`${ind}  ${v.name} = ${v.number}${o.length ? ` [${o.join(", ")}]` : ""};`);
    }
    out.push(`${ind}}`, "");
  }
}
