import {
  create,
  type DescMethodUnary,
  fromJsonString,
  type JsonValue,
  type Message,
  toJsonString,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { errorFromJson } from "@connectrpc/connect/protocol-connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { createGrpcJsTransport } from "./clients.ts";
import { runToEnd } from "./processes.ts";
import type { Shop } from "./shop.ts";

/** The ways into the service, by protocol and client, each as a transport for Connect's clients. */
export const WAYS = {
  "gRPC on the gRPC port by @grpc/grpc-js": ({ server }) =>
    createGrpcJsTransport(`127.0.0.1:${server.grpc.port}`),
  "gRPC on the gRPC port by Connect": ({ grpcUrl }) => createGrpcTransport({ baseUrl: grpcUrl }),
  "gRPC on the gRPC port by buf curl": ({ grpcUrl }) => createBufCurlTransport(grpcUrl),
  "gRPC on the HTTP port": ({ httpUrl }) => createGrpcTransport({ baseUrl: httpUrl }),
  "gRPC-Web over HTTP/1.1": ({ httpUrl }) => createGrpcWebTransport({ baseUrl: httpUrl, httpVersion: "1.1" }),
  "gRPC-Web over HTTP/2": ({ httpUrl }) => createGrpcWebTransport({ baseUrl: httpUrl, httpVersion: "2" }),
  "Connect over HTTP/1.1": ({ httpUrl }) =>
    createConnectTransport({ baseUrl: httpUrl, httpVersion: "1.1", useBinaryFormat: true }),
  "Connect over HTTP/2": ({ httpUrl }) =>
    createConnectTransport({ baseUrl: httpUrl, httpVersion: "2", useBinaryFormat: true }),
  "Connect with GET for reads": ({ httpUrl }) =>
    createConnectTransport({ baseUrl: httpUrl, httpVersion: "2", useHttpGet: true }),
  "JSON by fetch": ({ httpUrl }) => createFetchTransport(httpUrl),
} as const satisfies Record<string, (shop: Shop) => Transport>;

export type Way = keyof typeof WAYS;

export const ways = Object.keys(WAYS) as Way[];

/** POSTs JSON, as one does who has never heard of any of the protocols. */
function createFetchTransport(baseUrl: string): Transport {
  return createJsonTransport(async (path, body) => {
    const headers = { "content-type": "application/json" };
    const response = await fetch(`${baseUrl}/${path}`, { method: "POST", headers, body });
    return { ok: response.ok, text: await response.text() };
  });
}

/** Runs a `buf curl` for each call, which knows of the service what reflection tells it. */
function createBufCurlTransport(baseUrl: string): Transport {
  return createJsonTransport(async (path, body) => {
    const { code, stdout, stderr } = await bufCurl("-d", body, `${baseUrl}/${path}`);
    return code === 0 ? { ok: true, text: stdout } : { ok: false, text: stderr };
  });
}

/** `buf curl` on a gRPC port without TLS. */
export function bufCurl(...args: readonly string[]) {
  return runToEnd("buf", ["curl", "--http2-prior-knowledge", "--protocol", "grpc", ...args]);
}

/** Sends a request as JSON; is answered a message or an error, as Connect writes them. Unary only. */
function createJsonTransport(
  send: (path: string, body: string) => Promise<{ readonly ok: boolean; readonly text: string }>,
): Transport {
  return {
    async unary(method, _signal, _timeoutMs, _header, input) {
      const { input: inputSchema, output, name, parent }: DescMethodUnary = method;
      const body = toJsonString(inputSchema, create(inputSchema, input as Record<string, unknown>));
      const { ok, text } = await send(`${parent.typeName}/${name}`, body);
      if (!ok) throw errorFromJson(parse(text), undefined, new ConnectError(text, Code.Unknown));
      const message: Message = fromJsonString(output, text);
      const [header, trailer] = [new Headers(), new Headers()];
      return { stream: false, service: parent, method, header, message: message as never, trailer };
    },
    stream() {
      throw new Error("this transport is for unary calls");
    },
  };
}

function parse(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return null;
  }
}
