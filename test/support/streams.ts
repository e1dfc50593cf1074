import {
  create,
  createFileRegistry,
  type DescService,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  setExtension,
  toBinary,
} from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, MethodOptionsSchema } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import * as grpc from "@grpc/grpc-js";
import type { Call } from "../../src/call.ts";
import { MethodPolicySchema, policy } from "../../src/gen/commerce/options/v1/options_pb.ts";
import {
  file_commerce_user_v1_user_service as users,
  GetUserRequestSchema,
  GetUserResponseSchema,
} from "../../src/gen/commerce/user/v1/user_service_pb.ts";
import { type Binding, bind } from "../../src/rpc/pipeline.ts";
import { type Listeners, type Protocol, transport } from "./listeners.ts";

type Policy = MessageInitShape<typeof MethodPolicySchema>;
type Request = MessageShape<typeof GetUserRequestSchema>;
type Answer = { readonly user: { readonly name: string } };

/** A service with a method of each streaming kind: Tell (server), Ask (client), Talk (both). */
export type Streams = {
  readonly tell: (request: Request, call: Call) => AsyncIterable<Answer>;
  readonly ask: (requests: AsyncIterable<Request>, call: Call) => Promise<Answer>;
  readonly talk: (requests: AsyncIterable<Request>, call: Call) => AsyncIterable<Answer>;
};

type Options = { readonly signal?: AbortSignal; readonly timeoutMs?: number };
type Init = { readonly id: string };
type Response = MessageShape<typeof GetUserResponseSchema>;

/** A client of Streams. */
export type StreamsClient = {
  readonly tell: (request: Init, options?: Options) => AsyncIterable<Response>;
  readonly ask: (requests: AsyncIterable<Init>, options?: Options) => Promise<Response>;
  readonly talk: (requests: AsyncIterable<Init>, options?: Options) => AsyncIterable<Response>;
};

// Made here and not in proto/, where it would be part of what we promise: a service that exists for tests
// only.
function makeService(stated?: Policy): DescService {
  const options = create(MethodOptionsSchema);
  if (stated) setExtension(options, policy, create(MethodPolicySchema, stated));
  const types = {
    inputType: ".commerce.user.v1.GetUserRequest",
    outputType: ".commerce.user.v1.GetUserResponse",
    options,
  };
  const method = [
    { name: "Tell", ...types, serverStreaming: true },
    { name: "Ask", ...types, clientStreaming: true },
    { name: "Talk", ...types, clientStreaming: true, serverStreaming: true },
  ];
  const file = create(FileDescriptorProtoSchema, {
    name: "test/v1/streams.proto",
    syntax: "proto3",
    package: "test.v1",
    dependency: [users.proto.name],
    service: [{ name: "Streams", method }],
  });
  return createFileRegistry(file, () => users).getService("test.v1.Streams")!;
}

export const streams = makeService();

/** Binds an implementation of as much of Streams as the test calls; its methods have the policy given. */
export function bindStreams(implementation: Partial<Streams>, stated?: Policy): Binding {
  const none = (): never => {
    throw new Error("not in this test");
  };
  const own = stated ? makeService(stated) : streams;
  return bind(own, { tell: none, ask: none, talk: none, ...implementation } as never);
}

/** A client of Streams that speaks a protocol. */
export function streamsClient(listeners: Listeners, protocol: Protocol): StreamsClient {
  return createClient(streams, transport(listeners, protocol)) as unknown as StreamsClient;
}

/** Opens Talk with the client of @grpc/grpc-js; disposal closes its connection. */
export function talkByGrpcJs(listeners: Listeners) {
  const client = new grpc.Client(
    `127.0.0.1:${listeners.grpc.address.port}`,
    grpc.credentials.createInsecure(),
  );
  const call = client.makeBidiStreamRequest<Init, Response>(
    "/test.v1.Streams/Talk",
    (init) => Buffer.from(toBinary(GetUserRequestSchema, create(GetUserRequestSchema, init))),
    (bytes) => fromBinary(GetUserResponseSchema, bytes),
  );
  return { call, [Symbol.dispose]: () => client.close() };
}
