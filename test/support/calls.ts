import { once } from "node:events";
import * as http2 from "node:http2";
import * as net from "node:net";
import { ConnectError } from "@connectrpc/connect";

/** The error that a call fails with; throws if it does not fail. */
export async function failureOf(outcome: Promise<unknown>): Promise<ConnectError> {
  const result = await outcome.catch((error: unknown) => error);
  if (result instanceof ConnectError) return result;
  throw new Error("the call has not failed", { cause: result });
}

/** A request over HTTP/2 as bytes, for what no client library would send. Header fields override. */
export async function post(
  port: number,
  path: string,
  body: Uint8Array,
  fields: http2.OutgoingHttpHeaders = {},
): Promise<http2.IncomingHttpHeaders> {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  const headers = { ":method": "POST", ":path": path, "content-type": "application/grpc", ...fields };
  const stream = session.request(headers);
  stream.end(body).resume();
  let trailers: http2.IncomingHttpHeaders = {};
  stream.on("trailers", (received) => (trailers = received));
  const [response] = (await once(stream, "response")) as [http2.IncomingHttpHeaders];
  if (!stream.closed) await once(stream, "close");
  session.close();
  return { ...response, ...trailers };
}

/** A message with gRPC's prefix: not compressed, so many bytes. */
export function frame(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** Tries to connect and answers why it could not. */
export async function connectTo(port: number): Promise<string | undefined> {
  const socket = net.connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  } finally {
    socket.destroy();
  }
}
