import type { DescMethodUnary, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { create, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import { Client, credentials, Metadata } from "@grpc/grpc-js";

/** A caller with a connection of its own, by gRPC's own library for Node. Disposal closes it. */
export type Caller = Disposable & {
  readonly call: <M extends DescMethodUnary>(
    method: M,
    request: MessageInitShape<M["input"]>,
  ) => Promise<MessageShape<M["output"]>>;
};

const deadlineMs = 5_000;

/**
 * Opens a caller that repeats nothing: without a service config the library makes a call once more only where
 * the server says that it has not begun.
 */
export function openCaller(address: string): Caller {
  const client = new Client(address, credentials.createInsecure(), { "grpc.use_local_subchannel_pool": 1 });
  return {
    call: (method, request) =>
      new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          `/${method.parent.typeName}/${method.name}`,
          (message: Message) => Buffer.from(toBinary(method.input, message)),
          (bytes) => fromBinary(method.output, bytes),
          create(method.input, request),
          new Metadata(),
          { deadline: Date.now() + deadlineMs },
          (error, answer) => (error ? reject(error) : resolve(answer as never)),
        );
      }),
    [Symbol.dispose]: () => client.close(),
  };
}
