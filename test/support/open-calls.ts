import { once } from "node:events";
import * as http2 from "node:http2";
import { findTrailerError } from "@connectrpc/connect/protocol-grpc";
import { Code } from "@connectrpc/connect";
import { ErrorInfoSchema } from "../../src/gen/google/rpc/error_details_pb.ts";

/** A connection whose calls a test writes piece by piece. Disposal ends it. */
export type OpenConnection = AsyncDisposable & {
  /** Opens a call of gRPC without a byte of its body. */
  readonly open: (path: string, headers?: http2.OutgoingHttpHeaders) => OpenCall;
};

export type OpenCall = {
  readonly stream: http2.ClientHttp2Stream;
  /** How the call ends: the name of the code and the reason of its ErrorInfo. */
  readonly answer: Promise<readonly [code: string, reason: string | undefined]>;
};

export function connect(port: number): OpenConnection {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  return {
    open(path, headers = {}) {
      const fields = { ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" };
      const stream = session.request({ ...fields, ...headers }, { endStream: false });
      // The rest of what was refused early is reset, which is no error of a call.
      stream.on("error", () => {}).resume();
      const answer = readAnswer(stream);
      // Of a call that is left open, nobody waits for it.
      answer.catch(() => {});
      return { stream, answer };
    },
    async [Symbol.asyncDispose]() {
      session.destroy();
      if (!session.closed) await once(session, "close");
    },
  };
}

async function readAnswer(stream: http2.ClientHttp2Stream): Promise<[string, string | undefined]> {
  const answer = Promise.withResolvers<http2.IncomingHttpHeaders>();
  const see = (headers: http2.IncomingHttpHeaders): void => {
    if (headers["grpc-status"] !== undefined) answer.resolve(headers);
  };
  stream.on("response", see).on("trailers", see);
  answer.promise.catch(() => {});
  stream.once("close", () => answer.reject(new Error(`reset with code ${stream.rstCode}`)));
  const fields = Object.entries(await answer.promise).map(([name, value]) => [name, String(value)] as const);
  const headers = new Headers(fields.filter(([name]) => name.startsWith("grpc-")) as [string, string][]);
  const error = findTrailerError(headers);
  if (!error) return ["OK", undefined];
  return [Code[error.code], error.findDetails(ErrorInfoSchema)[0]?.reason];
}
