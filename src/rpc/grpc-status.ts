import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { ConnectError } from "@connectrpc/connect";
import { errorToJsonBytes } from "@connectrpc/connect/protocol-connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { Metadata, type Server, type StatusObject } from "@grpc/grpc-js";
import { callIdHeader } from "../telemetry/call-id.ts";
import type { Method } from "./pipeline.ts";
import type { Refused } from "./refusals.ts";
import { errorDetails, toRefusal } from "./status.ts";

const STATUS_DETAILS = "grpc-status-details-bin";

/** The path of a method. */
export function toPath({ desc }: Pick<Method, "desc">): string {
  return `/${desc.parent.typeName}/${desc.name}`;
}

/**
 * Converts to a gRPC status; both have the same codes. The details travel as a google.rpc.Status, beside the
 * id of the call, if it has one.
 */
export function toStatus(error: ConnectError, callId?: string): StatusObject {
  const metadata = new Metadata();
  if (callId !== undefined) metadata.set(callIdHeader, callId);
  const details = setTrailerStatus(new Headers(), error).get(STATUS_DETAILS);
  if (details) metadata.set(STATUS_DETAILS, Buffer.from(details, "base64"));
  const code: number = error.code;
  return { code, details: error.rawMessage, metadata };
}

/**
 * Answers streams that are no call of a method, because of their protocol or an unknown path, with an error
 * and counts them. grpc-js would send a bare status. It has no public hook before a method is found; this is
 * where it checks the content type.
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
    // Nothing reads its request, which would hold the stream forever.
    setImmediate(() => stream.close());
    return false;
  };
  Object.assign(server, { _verifyContentType: verify });
}

/** The message for callers that confuse the two ports. */
export const ONLY_GRPC =
  "this port speaks gRPC over HTTP/2 only; use HTTP_ADDR for gRPC-Web, Connect and JSON";
