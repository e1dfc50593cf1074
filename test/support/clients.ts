import { create, fromBinary, toBinary, type DescMessage, type Message } from "@bufbuild/protobuf";
import { ConnectError, type Transport } from "@connectrpc/connect";
import { findTrailerError } from "@connectrpc/connect/protocol-grpc";
import * as grpc from "@grpc/grpc-js";

/**
 * A Connect transport that calls through the client of @grpc/grpc-js: what most services in Node use. Unary
 * only.
 */
export function createGrpcJsTransport(
  address: string,
  options: grpc.ClientOptions = {},
): Transport & Disposable {
  const client = new grpc.Client(address, grpc.credentials.createInsecure(), options);
  return {
    [Symbol.dispose]: () => client.close(),
    unary: (method, signal, timeoutMs, header, input) =>
      new Promise((resolve, reject) => {
        const metadata = new grpc.Metadata();
        new Headers(header).forEach((value, key) => metadata.set(key, value));
        const call = client.makeUnaryRequest<Message, Message>(
          `/${method.parent.typeName}/${method.name}`,
          (message) => Buffer.from(toBinary(method.input as DescMessage, message)),
          (bytes) => fromBinary(method.output as DescMessage, bytes),
          create(method.input as DescMessage, input as Record<string, unknown>),
          metadata,
          timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs },
          (error, message) => {
            if (error) reject(toConnectError(error));
            else
              resolve({
                stream: false,
                service: method.parent,
                method,
                header: new Headers(),
                message: message as never,
                trailer: new Headers(),
              });
          },
        );
        signal?.addEventListener("abort", () => call.cancel());
      }),
    stream() {
      throw new Error("this transport is for unary calls");
    },
  };
}

function toConnectError(error: grpc.ServiceError): ConnectError {
  const trailer = new Headers({
    "grpc-status": String(error.code),
    "grpc-message": encodeURIComponent(error.details),
  });
  const [details] = error.metadata.get("grpc-status-details-bin");
  if (Buffer.isBuffer(details)) trailer.set("grpc-status-details-bin", details.toString("base64"));
  return findTrailerError(trailer) ?? new ConnectError(error.details, error.code as number);
}
