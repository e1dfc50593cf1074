import type { DescMethod } from "@bufbuild/protobuf";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { InventoryService } from "../../src/gen/commerce/inventory/v1/inventory_service_pb.ts";
import { OrderService } from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import { UserService } from "../../src/gen/commerce/user/v1/user_service_pb.ts";
import { Health } from "../../src/gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../src/gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as V1Alpha } from "../../src/gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { isSaid, plainBody, type Received } from "../hostile/answers.ts";
import type { Field } from "../hostile/hpack.ts";
import { compress, orUnanswered, toFields, toPrefix, type Way, WAYS } from "../hostile/messages.ts";
import { connectPeer, type Peer } from "../hostile/peer.ts";
import { type Bytes, requestsOf } from "../support/arbitraries.ts";
import { openShop } from "../support/shop.ts";

const shop = await openShop();
afterAll(() => shop[Symbol.asyncDispose]());
const [user, lamp] = [await shop.user(), await shop.product()];
const order = await shop.order([lamp], 1, user.id);
const known = [user.id, user.email, lamp.id, order.id, user.etag];

/** Calls a method; FUZZ_RUNS sets another number, for hours where there are some. */
const RUNS = Number(process.env["FUZZ_RUNS"] ?? 60);
/** Far more than a call takes: what is not answered by then hangs. */
const HANG_MS = 20_000;

const services = [UserService, OrderService, InventoryService, Health, ServerReflection, V1Alpha];
const methods = services.flatMap((service) => service.methods as readonly DescMethod[]);

/** Nothing that is said to a caller names what the service is made of. */
const LEAKS =
  /\b(pg|sql|stack|node_modules|postgres\w*|relation|constraint|argon2\w*)\b|\bat (line|\S+:\d)|\.[jt]s:\d/gi;

const peers = new Map<number, Promise<Peer>>();
afterAll(async () => {
  for (const peer of peers.values()) (await peer)[Symbol.dispose]();
});

/** A connection to a port, for as many calls as it survives. */
async function peerOf(port: number): Promise<Peer> {
  const peer = await peers.get(port);
  if (peer?.isOpen()) return peer;
  peers.set(port, connectPeer(port));
  return peers.get(port)!;
}

/** What a call is made of beside its message. */
type Envelope = {
  readonly way: Way;
  readonly fields: readonly Field[];
  readonly flags: readonly number[];
  readonly lengthOff: number;
  readonly compressed: boolean;
  readonly frameBytes: number;
};

const rarely = <T>(usual: T, others: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 6, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: others });
const visible = fc.stringMatching(/^[!-~]{0,20}$/);
const coding = fc.constantFrom("gzip", "deflate", "br", "zstd", "identity", "", "gzip, br", "GZIP");
const timeout = fc.oneof(
  fc.constantFrom("5S", "99999999S", "100000000S", "-1S", "1", "", "5000m", "1H", "2000000u", "5000", "0x10"),
  visible.filter((each) => !/^\d{0,5}[num]?$/i.test(each)),
);
const contentType = fc.oneof(
  fc.constantFrom(...Object.values(WAYS).map(({ type }) => type as string)),
  fc.constantFrom("text/plain", "application/grpc+json", "application/grpc-web-text", "application/grpc;x=y"),
  visible,
);

function envelopes(ways: readonly Way[]): fc.Arbitrary<Envelope> {
  const extra = fc.record(
    {
      "content-type": contentType,
      "grpc-encoding": coding,
      "content-encoding": coding,
      "connect-content-encoding": coding,
      "grpc-accept-encoding": coding,
      "grpc-timeout": timeout,
      "connect-timeout-ms": timeout,
      "connect-protocol-version": fc.constantFrom("1", "2", ""),
      "x-request-id": visible,
      authorization: visible,
      "grpc-metadata-bin": visible,
    },
    { requiredKeys: [] },
  );
  return fc.record({
    way: fc.constantFrom(...ways),
    fields: rarely<Partial<Record<string, string>>>({}, extra).map((each) => Object.entries(each) as Field[]),
    flags: rarely([0], fc.array(fc.constantFrom(0, 1, 2, 3, 127, 128, 255), { maxLength: 3 })),
    lengthOff: rarely(0, fc.integer({ min: -20, max: 20 })),
    compressed: rarely(false, fc.constant(true)),
    frameBytes: rarely(16_384, fc.integer({ min: 1, max: 50 })),
  });
}

function toRequest(method: DescMethod, { binary, json }: Bytes, envelope: Envelope): [Field[], Buffer] {
  const { way, fields, flags, lengthOff, compressed } = envelope;
  const names = new Set(fields.map(([name]) => name));
  // What is watched has no other end.
  const timeoutMs = method === Health.method.watch ? 10 : undefined;
  const said = {
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(compressed && { coding: "gzip" as const }),
  };
  const own = toFields(way, `/${method.parent.typeName}/${method.name}`, said);
  const all = [...own.filter(([name]) => !names.has(name)), ...fields];
  const message = way.includes("JSON") ? json : binary;
  const bytes = compressed ? compress(message, "gzip") : Buffer.from(message);
  if (!WAYS[way].prefixed) return [all, bytes];
  const prefixed = flags.flatMap((flag) => [
    toPrefix(Math.max(0, bytes.length + lengthOff), flag | (compressed ? 1 : 0)),
    bytes,
  ]);
  return [all, Buffer.concat(prefixed)];
}

/** The words of an answer that tell too much, but for those that the caller has said. */
function leaksOf(received: Received, [fields, { binary, json }]: readonly [Field[], Bytes]): string[] {
  const said = [...fields.flat(), Buffer.from(binary).toString(), Buffer.from(json).toString()].join("\n");
  return Array.from(textOf(received).matchAll(LEAKS), ([word]) => word).filter(
    (word) => !said.includes(word),
  );
}

/** All texts of an answer, percent and base64 undone. */
function textOf(received: Received): string {
  const { fields } = received;
  const texts = fields.map(([name, text]) =>
    name.endsWith("-bin") ? Buffer.from(text, "base64").toString("latin1") : safeDecode(text),
  );
  return [...texts, plainBody(received).toString("latin1")].join("\n");
}

function safeDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

test.each(methods.map((method) => [`${method.parent.typeName}/${method.name}`, method] as const))(
  "%s answers whatever it is sent with a code that is no fault of ours, and tells nothing",
  async (_, method) => {
    const isUnary = method.methodKind === "unary";
    const all = Object.keys(WAYS) as Way[];
    const ways = all.filter((way) => !/Connect|JSON/.test(way) || isUnary !== /stream/.test(way));
    const requests = requestsOf(method.input, known);

    await fc.assert(
      fc.asyncProperty(requests, envelopes(ways), async (request, envelope) => {
        const peer = await peerOf(shop.server[WAYS[envelope.way].port].port);
        const [fields, body] = toRequest(method, request, envelope);
        const stream = peer.open(fields);
        void stream.send(body, { frameBytes: envelope.frameBytes, end: true });

        const answer = await orUnanswered(stream.answer, HANG_MS);

        expect(answer).toSatisfy(isSaid);
        expect(answer).not.toMatch(/^(INTERNAL|UNKNOWN|DATA_LOSS) /);
        // Reflection, for one, rightly tells what the contract says.
        const leaks = answer === "OK" ? [] : leaksOf(stream.received(), [fields, request]);
        expect(leaks).toEqual([]);
      }),
      { numRuns: RUNS },
    );
  },
  // As many runs as are asked for.
  60_000 + RUNS * 50,
);
