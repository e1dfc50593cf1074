import { create, createFileRegistry, type DescService, type MessageShape } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import type { Call } from "../../src/call.ts";
import {
  file_commerce_user_v1_user_service as users,
  type GetUserRequestSchema,
  type GetUserResponseSchema,
} from "../../src/gen/commerce/user/v1/user_service_pb.ts";
import { type Binding, bind } from "../../src/rpc/pipeline.ts";
import { type Doors, type Protocol, transport } from "./doors.ts";

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
export const streams = ((): DescService => {
  const types = {
    inputType: ".commerce.user.v1.GetUserRequest",
    outputType: ".commerce.user.v1.GetUserResponse",
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
})();

/** Binds an implementation of as much of Streams as the test calls. */
export function bindStreams(implementation: Partial<Streams>): Binding {
  const none = (): never => {
    throw new Error("not in this test");
  };
  return bind(streams, { tell: none, ask: none, talk: none, ...implementation } as never);
}

/** A client of Streams that speaks a protocol. */
export function streamsClient(doors: Doors, protocol: Protocol): StreamsClient {
  return createClient(streams, transport(doors, protocol)) as unknown as StreamsClient;
}
