import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, inject, test, vi } from "vitest";
import { services } from "../../src/bindings.ts";
import { outcomes, type Failure } from "../support/errors.ts";
import { drafts, readToEnd } from "../support/imports.ts";
import type { Fault } from "../support/proxy.ts";
import { createRequests } from "../support/requests.ts";
import { line, type Shop } from "../support/shop.ts";
import { openAt, ports, told } from "../support/told.ts";

// What is promised: where the service's own deadline ends a call, its caller is told before that what is
// known, and not that a deadline has passed (test/lifetime.test.ts has the times).

const methods: Readonly<Record<string, "changes" | "reads">> = {
  CreateUser: "changes",
  UpdateUser: "changes",
  DeleteUser: "changes",
  // Its caller asks for no change.
  AuthenticateUser: "reads",
  GetUser: "reads",
  GetUserByEmail: "reads",
  BatchGetUsers: "reads",
  ListUsers: "reads",
  CreateOrder: "changes",
  UpdateOrderStatus: "changes",
  BatchUpdateOrderStatuses: "changes",
  ImportOrders: "changes",
  ImportOrderItems: "changes",
  // Its caller sends one message, and then nothing for longer than a stream may be idle.
  IngestOrders: "changes",
  GetOrder: "reads",
  ListOrders: "reads",
  ListOrderEvents: "reads",
  CreateProduct: "changes",
  AdjustStock: "changes",
  GetProduct: "reads",
  ListProducts: "reads",
};

/** Each kind of call: a change with a request_id or without. */
type Kind = readonly [method: string, sends: "with" | "without" | "without any need for"];

const kinds = Object.entries(methods).flatMap(([method, does]): Kind[] =>
  does === "reads"
    ? [[method, "without any need for"]]
    : [
        [method, "with"],
        [method, "without"],
      ],
);

const expected = {
  with: told.inDoubt,
  without: told.inDoubtWithout,
  "without any need for": told.away,
} as const;

/**
 * How the database stops answering: from each statement on and, where connections are refused, once all calls
 * have sent theirs. Who had none then has asked for nothing.
 */
const outages: Readonly<Record<string, { readonly fault: Fault; readonly refusal?: "refuse" | "silence" }>> =
  {
    "answers are swallowed": { fault: { kind: "hang" } },
    "answers are swallowed and connections refused": { fault: { kind: "hang" }, refusal: "refuse" },
    "the network is cut": { fault: { kind: "half_open" }, refusal: "silence" },
  };

/** Callers have no deadline, or a longer one than the service lets them have. */
const timeouts = { "gRPC port": undefined, "HTTP port": 600_000 };

test("the table has all methods", () => {
  const all = services.flatMap((service) => service.methods.map(({ name }) => name));

  expect(Object.keys(methods).toSorted()).toEqual(all.toSorted());
});

/** Does not say that this is all. */
async function* sendAndWait<T>(request: T): AsyncGenerator<T> {
  yield request;
  await new Promise(() => {});
}

/** Makes what calls are about, of which they share nothing, and the function that makes the call. */
async function createCall(shop: Shop): Promise<(method: string, requestId: string) => Promise<unknown>> {
  const { orders } = shop;
  const { methods: unary, callWith } = await createRequests(shop);
  const lamp = await shop.product();
  const { id: orderId, userId } = await shop.order([lamp]);
  const rows = drafts(userId, lamp, 3);
  const items = [{ orderId, item: line(lamp) }];
  const imports: Readonly<Record<string, (requestId: string) => Promise<unknown>>> = {
    ImportOrders: (requestId) => readToEnd(orders.importOrders({ requestId, orders: rows })),
    ImportOrderItems: (requestId) => readToEnd(orders.importOrderItems({ requestId, items })),
    IngestOrders: (requestId) => readToEnd(orders.ingestOrders(sendAndWait({ requestId, orders: rows }))),
  };
  return (method, requestId) => {
    if (method in imports) return imports[method]!(requestId);
    if (methods[method] === "changes") return callWith(method, "request_id", requestId);
    const [call, request] = unary[method]!;
    return call(request as never);
  };
}

/** Makes all calls at once in an outage, and returns what each was told. */
async function play(outage: string, port: (typeof ports)[number]): Promise<readonly (Failure | undefined)[]> {
  const { fault, refusal } = outages[outage]!;
  await using shop = await openAt(port, { timeoutMs: timeouts[port], pool: { connsMax: 40 } });
  const [call, callWithout] = [await createCall(shop), await createCall(shop)];
  let sent = 0;
  shop.proxy.decide = ({ statement }) => {
    // What comes before a change puts nothing into doubt, and where readiness knows that the database is away
    // none is sent.
    if (["begin", "imports.get", "readiness", "migrations.list"].some((name) => statement.startsWith(name)))
      return undefined;
    sent++;
    return fault;
  };
  const failures = outcomes(
    kinds.map(([method, kind]) =>
      kind === "without" ? callWithout(method, "") : call(method, randomUUID()),
    ),
  );
  if (refusal) {
    let before = 0;
    const isQuiet = (): boolean => before === (before = sent) && sent > 0;
    await vi.waitUntil(isQuiet, { timeout: 10_000, interval: 250 });
    shop.proxy.refuse(refusal);
  }
  return await failures;
}

describe.each(Object.keys(outages).flatMap((outage) => ports.map((port) => [outage, port] as const)))(
  "%s (%s)",
  (outage, port) => {
    let failures: readonly (Failure | undefined)[];
    beforeAll(async () => {
      failures = await play(outage, port);
    }, 60_000);

    test.each(kinds)("%s %s a request_id is told what is known", (method, sends) => {
      const failed = failures[kinds.findIndex((kind) => kind[0] === method && kind[1] === sends)];

      const isRefused = outages[outage]!.refusal !== undefined;
      // On PostgreSQL its commit is a statement of its own, which was not sent yet.
      const isBefore = method === "DeleteUser" && inject("engine").engine === "postgresql";
      const possible = isRefused || isBefore ? [expected[sends], told.away] : [expected[sends]];
      expect(possible).toContainEqual(failed);
    });
  },
);
