import { readFileSync } from "node:fs";
import {
  createFileRegistry,
  type DescExtension,
  type DescFile,
  type DescService,
  fromBinary,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import type { Service } from "../call.ts";
import {
  ServerReflection,
  type ServerReflectionRequest,
  type ServerReflectionResponseSchema,
} from "../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionV1Alpha } from "../gen/grpc/reflection/v1alpha/reflection_pb.ts";

type Question = ServerReflectionRequest["messageRequest"];
type Answer = NonNullable<MessageInitShape<typeof ServerReflectionResponseSchema>["messageResponse"]>;

/**
 * Everything that buf compiles: the contract, what it imports, and the details of errors, which are
 * google.protobuf.Any, so that no service's file imports their messages. The generated code has descriptors,
 * too, but not the options of google/protobuf/descriptor.proto, without which no Go code can be made of them.
 */
const compiled = new URL("../gen/descriptors.binpb", import.meta.url);

/**
 * grpc.reflection v1 and v1alpha for these services and for reflection itself. Files are answered as they
 * were compiled, all options included, so that clients see scopes, idempotency and validation rules.
 */
export function reflectionServices(services: readonly DescService[]): {
  readonly v1: Service<typeof ServerReflection>;
  readonly v1alpha: Service<typeof ServerReflectionV1Alpha>;
} {
  // Made for the first question: most servers are never asked one.
  let index: Index | undefined;
  const v1: Service<typeof ServerReflection> = {
    async *serverReflectionInfo(requests) {
      index ??= createIndex([...services, ServerReflection, ServerReflectionV1Alpha]);
      const sent = new Set<DescFile>();
      for await (const originalRequest of requests) {
        const messageResponse = answer(index, originalRequest.messageRequest, sent);
        yield { validHost: originalRequest.host, originalRequest, messageResponse };
      }
    },
  };
  // v1 equals v1alpha except for the package name: their messages have the same fields and encoding.
  return { v1, v1alpha: v1 as unknown as Service<typeof ServerReflectionV1Alpha> };
}

type Index = {
  readonly services: readonly string[];
  readonly files: ReadonlyMap<string, DescFile>;
  /** The file that declares a full name: of a type, method, field, enum value or extension. */
  readonly symbols: ReadonlyMap<string, DescFile>;
  readonly messages: ReadonlySet<string>;
  readonly extensions: readonly DescExtension[];
};

function createIndex(services: readonly DescService[]): Index {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(compiled)));
  const files = new Map(Array.from(registry.files, (file) => [file.proto.name, file]));
  const symbols = new Map<string, DescFile>();
  const messages = new Set<string>();
  const extensions: DescExtension[] = [];
  for (const desc of registry) {
    symbols.set(desc.typeName, desc.file);
    switch (desc.kind) {
      case "service":
        for (const method of desc.methods) symbols.set(`${desc.typeName}.${method.name}`, desc.file);
        break;
      case "message":
        messages.add(desc.typeName);
        for (const field of desc.fields) symbols.set(`${desc.typeName}.${field.name}`, desc.file);
        break;
      case "enum": {
        // In proto an enum's values are its siblings, not its children.
        const scope = desc.typeName.slice(0, desc.typeName.lastIndexOf(".") + 1);
        for (const value of desc.values) symbols.set(`${scope}${value.name}`, desc.file);
        break;
      }
      case "extension":
        extensions.push(desc);
        break;
      default:
        desc satisfies never;
    }
  }
  return { services: services.map((service) => service.typeName), files, symbols, messages, extensions };
}

function answer(index: Index, question: Question, sent: Set<DescFile>): Answer {
  switch (question.case) {
    case "listServices":
      return { case: "listServicesResponse", value: { service: index.services.map((name) => ({ name })) } };
    case "fileByFilename":
      return answerFile(index.files.get(question.value), question.value, sent);
    case "fileContainingSymbol":
      return answerFile(index.symbols.get(question.value), question.value, sent);
    case "fileContainingExtension": {
      const { containingType, extensionNumber } = question.value;
      const extension = index.extensions.find(
        (candidate) => candidate.extendee.typeName === containingType && candidate.number === extensionNumber,
      );
      return answerFile(extension?.file, `${containingType}[${extensionNumber}]`, sent);
    }
    case "allExtensionNumbersOfType": {
      const baseTypeName = question.value;
      if (!index.messages.has(baseTypeName)) return toError(Code.NotFound, `not found: ${baseTypeName}`);
      const own = index.extensions.filter((extension) => extension.extendee.typeName === baseTypeName);
      const extensionNumber = own.map((extension) => extension.number);
      return { case: "allExtensionNumbersResponse", value: { baseTypeName, extensionNumber } };
    }
    case undefined:
      return toError(Code.InvalidArgument, "the request asks nothing");
    default:
      return question satisfies never;
  }
}

/** Answers the file and its imports, each at most once per stream: clients keep what they were sent. */
function answerFile(file: DescFile | undefined, what: string, sent: Set<DescFile>): Answer {
  if (!file) return toError(Code.NotFound, `not found: ${what}`);
  const files = [...withDependencies(file)].filter(
    (dependency) => dependency === file || !sent.has(dependency),
  );
  for (const each of files) sent.add(each);
  const fileDescriptorProto = files.map((each) => toBinary(FileDescriptorProtoSchema, each.proto));
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto } };
}

function toError(errorCode: Code, errorMessage: string): Answer {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}

function withDependencies(file: DescFile, into = new Set<DescFile>()): ReadonlySet<DescFile> {
  if (into.has(file)) return into;
  into.add(file);
  for (const dependency of file.dependencies) withDependencies(dependency, into);
  return into;
}
