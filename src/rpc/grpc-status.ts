import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { ConnectError } from "@connectrpc/connect";
import { errorToJsonBytes } from "@connectrpc/connect/protocol-connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { Metadata, type Server, type StatusObject } from "@grpc/grpc-js";
import type { Method } from "./pipeline.ts";
import type { Refused } from "./refusals.ts";
import { errorDetails, toRefusal } from "./status.ts";

const STATUS_DETAILS = "grpc-status-details-bin";

/** The path that a method is called by. */
export function toPath({ desc }: Pick<Method, "desc">): string {
  return `/${desc.parent.typeName}/${desc.name}`;
}

/** gRPC's codes are Connect's. The details travel beside the message as a google.rpc.Status. */
export function toStatus(error: ConnectError): StatusObject {
  const metadata = new Metadata();
  const details = setTrailerStatus(new Headers(), error).get(STATUS_DETAILS);
  if (details) metadata.set(STATUS_DETAILS, Buffer.from(details, "base64"));
  const code: number = error.code;
  return { code, details: error.rawMessage, metadata };
}

/**
 * Answers, in words and counted, the streams that are no call of a method: of another protocol, or of a
 * method that there is not. grpc-js would refuse them by a bare status; it has no public place before a
 * method is found, and this is where it looks whether a stream is gRPC at all.
 */
export function refuseOthers(server: Server, methods: readonly Method[], refused: Refused): void {
  const paths = new Set(methods.map(toPath));
  const verify = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders): boolean => {
    const contentType = headers["content-type"] ?? "";
    if (!/^application\/grpc(?:[+;]|$)/.test(contentType)) {
      const error = toRefusal("UNSUPPORTED_MEDIA_TYPE", ONLY_GRPC);
      refused(error);
      stream.respond({ ":status": 415, "content-type": "application/json" });
      stream.end(errorToJsonBytes(error, { registry: errorDetails }));
      setImmediate(() => stream.close());
      return false;
    }
    const path = headers[":path"] ?? "";
    if (paths.has(path)) return true;
    const error = toRefusal("UNKNOWN_METHOD", `there is no method ${path}`);
    refused(error);
    const trailers = Object.fromEntries(setTrailerStatus(new Headers(), error));
    stream.respond({ ":status": 200, "content-type": "application/grpc", ...trailers }, { endStream: true });
    // Its request is read by nobody, and would hold the stream for ever.
    setImmediate(() => stream.close());
    return false;
  };
  Object.assign(server, { _verifyContentType: verify });
}

/** What is said to callers who have taken one port for the other. */
export const ONLY_GRPC =
  "this port speaks gRPC over HTTP/2 only; gRPC-Web, Connect and JSON have their own (HTTP_ADDR)";
