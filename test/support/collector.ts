import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";

/** A span as OTLP has it in JSON. */
export type Span = {
  readonly name: string;
  /** 1: internal, 2: server, 3: client. */
  readonly kind: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly Attribute[];
  readonly links?: readonly { readonly spanId: string }[];
  /** Code 2 is an error. */
  readonly status: { readonly code: number };
};

type Attribute = { readonly key: string; readonly value: Readonly<Record<string, unknown>> };
type Batch = {
  resourceSpans: { resource: { attributes: Attribute[] }; scopeSpans: { spans: Span[] }[] }[];
};

/** The attributes of a span or a resource by their names. */
export function attributesOf({ attributes }: { readonly attributes: readonly Attribute[] }): object {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}

/** An OTLP/HTTP collector that keeps what it is sent. */
export async function startCollector() {
  const requests: IncomingMessage[] = [];
  const batches: Promise<unknown>[] = [];
  const server = createServer((request: IncomingMessage, response) => {
    requests.push(request);
    if (request.url === "/v1/traces") batches.push(json(request));
    response.setHeader("content-type", "application/json").end("{}");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const received = async () =>
    ((await Promise.all(batches)) as Batch[]).flatMap(({ resourceSpans }) => resourceSpans);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async spans(): Promise<Span[]> {
      return (await received()).flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));
    },
    async resources(): Promise<object[]> {
      return (await received()).map(({ resource }) => attributesOf(resource));
    },
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}
