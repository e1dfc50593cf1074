import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { create, createFileRegistry, type FileRegistry, fromBinary, getOption } from "@bufbuild/protobuf";
import {
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
} from "@bufbuild/protobuf/wkt";
import { Code, createClient } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { policy } from "../src/gen/commerce/options/v1/options_pb.ts";
import {
  ServerReflection,
  type ServerReflectionRequest,
} from "../src/gen/grpc/reflection/v1/reflection_pb.ts";
import { type Listeners, startListeners, transport } from "./support/listeners.ts";

const run = promisify(execFile);
type Question = ServerReflectionRequest["messageRequest"];

test.each(["grpc-v1", "grpc-v1alpha"])("buf curl lists the methods through %s", async (version) => {
  await using listeners = await startListeners();
  const protocol = ["--http2-prior-knowledge", "--protocol", "grpc", "--reflect-protocol", version];
  const url = `http://127.0.0.1:${listeners.grpc.address.port}`;

  const { stdout } = await run("buf", ["curl", ...protocol, "--list-methods", url]);

  expect(stdout.split("\n")).toEqual(
    expect.arrayContaining(["commerce.user.v1.UserService/CreateUser", "grpc.health.v1.Health/Watch"]),
  );
});

test.each(["grpc", "http"] as const)(
  "buf curl calls a method that it knows from reflection alone (%s listener)",
  async (listener) => {
    const id = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
    await using listeners = await startListeners({ getUser: (request) => ({ user: { id: request.id } }) });
    const url = `http://127.0.0.1:${listeners[listener].address.port}/commerce.user.v1.UserService/GetUser`;
    const protocol = ["--http2-prior-knowledge", "--protocol", "grpc"];

    const { stdout } = await run("buf", ["curl", ...protocol, "-d", JSON.stringify({ id }), url]);

    expect(JSON.parse(stdout)).toEqual({ user: { id } });
  },
);

test("answers files as they were compiled, scopes and validation rules included", async () => {
  await using listeners = await startListeners();

  const [answer] = await ask(listeners, {
    case: "fileContainingSymbol",
    value: "commerce.user.v1.UserService.GetUser",
  });

  const method = toRegistry(answer).getService("commerce.user.v1.UserService")!.method["getUser"]!;
  expect(getOption(method, policy).scopes).toEqual(["users.read"]);
  expect(method.input.field["id"]!.proto.options!.$unknown).not.toEqual([]);
});

test("answers the files of others with their options, without which no Go code can be made of them", async () => {
  await using listeners = await startListeners();

  const [answer] = await ask(listeners, {
    case: "fileByFilename",
    value: "commerce/order/v1/order_service.proto",
  });

  const lacking = toFiles(answer).filter(({ options }) => !options?.goPackage || !options.javaPackage);
  expect(lacking.map(({ name }) => name)).toEqual([]);
});

test("knows the details of errors, which are in answers to imports as messages of any kind", async () => {
  await using listeners = await startListeners();

  const [answer] = await ask(listeners, { case: "fileContainingSymbol", value: "google.rpc.ErrorInfo" });

  expect(toRegistry(answer).getMessage("google.rpc.ErrorInfo")).toBeDefined();
});

test("sends each file once a stream, dependencies included", async () => {
  await using listeners = await startListeners();

  const answers = await ask(
    listeners,
    { case: "fileByFilename", value: "commerce/user/v1/user_service.proto" },
    { case: "fileContainingSymbol", value: "commerce.options.v1.MethodPolicy" },
    { case: "fileContainingSymbol", value: "commerce.user.v1.User.email" },
  );

  expect(answers.map((answer) => toFiles(answer).map(({ name }) => name))).toEqual([
    expect.arrayContaining([
      "commerce/user/v1/user_service.proto",
      "commerce/options/v1/options.proto",
      "buf/validate/validate.proto",
      "google/protobuf/descriptor.proto",
    ]),
    ["commerce/options/v1/options.proto"],
    ["commerce/user/v1/user_service.proto"],
  ]);
});

test("finds extensions by number", async () => {
  await using listeners = await startListeners();
  const containingType = "google.protobuf.MethodOptions";

  const [numbers, file] = await ask(
    listeners,
    { case: "allExtensionNumbersOfType", value: containingType },
    { case: "fileContainingExtension", value: { containingType, extensionNumber: 50001 } as never },
  );

  expect(numbers).toMatchObject({ value: { baseTypeName: containingType, extensionNumber: [50001] } });
  expect(toFiles(file)[0]?.name).toBe("commerce/options/v1/options.proto");
});

test("answers what it does not know with an error in the stream, and goes on", async () => {
  await using listeners = await startListeners();
  const unknown: Question[] = [
    { case: "fileByFilename", value: "no.proto" },
    { case: "fileContainingSymbol", value: "no.Symbol" },
    { case: "allExtensionNumbersOfType", value: "no.Type" },
    { case: "fileContainingExtension", value: { containingType: "no.Type", extensionNumber: 1 } as never },
  ];

  const answers = await ask(listeners, ...unknown, { case: undefined });

  const codes = answers.map((answer) => answer?.case === "errorResponse" && answer.value.errorCode);
  expect(codes).toEqual([...unknown.map(() => Code.NotFound), Code.InvalidArgument]);
});

async function ask(listeners: Listeners, ...questions: Question[]) {
  async function* requests() {
    for (const messageRequest of questions) yield { messageRequest };
  }
  const answers = [];
  const client = createClient(ServerReflection, transport(listeners, "gRPC listener"));
  for await (const { messageResponse } of client.serverReflectionInfo(requests()))
    answers.push(messageResponse);
  return answers;
}

type Answer = Awaited<ReturnType<typeof ask>>[number] | undefined;

function toFiles(answer: Answer) {
  if (answer?.case !== "fileDescriptorResponse") throw new Error(`no files but ${answer?.case}`);
  return answer.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
}

/** The answered files, each after those that it imports, which is what a registry is made of. */
function toRegistry(answer: Answer): FileRegistry {
  const byName = new Map(toFiles(answer).map((file) => [file.name, file]));
  const file = new Set<FileDescriptorProto>();
  const add = (each: FileDescriptorProto): void => {
    for (const name of each.dependency) add(byName.get(name)!);
    file.add(each);
  };
  byName.forEach(add);
  return createFileRegistry(create(FileDescriptorSetSchema, { file: [...file] }));
}
