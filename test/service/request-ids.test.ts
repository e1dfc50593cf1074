import { randomUUID } from "node:crypto";
import { type DescMessage, type DescMethod, fromBinary, getOption, hasOption } from "@bufbuild/protobuf";
import { afterAll, describe, expect, test } from "vitest";
import { InventoryService } from "../../src/gen/commerce/inventory/v1/inventory_service_pb.ts";
import { policy } from "../../src/gen/commerce/options/v1/options_pb.ts";
import { type CommittedChunk, OrderService } from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import { UserService } from "../../src/gen/commerce/user/v1/user_service_pb.ts";
import { ErrorInfoSchema } from "../../src/gen/google/rpc/error_details_pb.ts";
import { toFailure } from "../support/errors.ts";
import { line, openShop, price } from "../support/shop.ts";

const shop = await openShop();
afterAll(() => shop[Symbol.asyncDispose]());
const [ada, eve] = [await shop.user(), await shop.user()];
const [lamp, desk] = [await shop.product(1_000n), await shop.product(1_000n)];

type Fields = Record<string, unknown>;
/** Makes a value; a few need a user or an order of their own. */
type Make = () => unknown;

/** How a mutation is tried: a first request, and what a repetition of it has in the place of each field. */
type Trial = {
  readonly call: (request: never) => Promise<unknown> | AsyncIterable<unknown>;
  readonly first: () => Fields | Promise<Fields>;
  /** Values that ask for something else, by their fields. */
  readonly others: Readonly<Record<string, Make>>;
  /** Values that do not: a repetition may have them. */
  readonly same?: Readonly<Record<string, Make>>;
  /** Fields by which, beside the request_id, a row of an import is known: with others it is another row. */
  readonly known?: readonly string[];
};

const newOrder = async (): Promise<string> => (await shop.order([lamp], 1, ada.id)).id;
const draft = () => ({ userId: ada.id, items: [line(lamp, 2, { ...price })], stockPolicy: 1 });

/** Another value of each field of an item. */
const otherItem = (path: string): Trial["others"] => ({
  [`${path}.product_id`]: () => desk.id,
  [`${path}.quantity`]: () => 1,
  [`${path}.unit_price.currency_code`]: () => "USD",
  [`${path}.unit_price.units`]: () => 8n,
  [`${path}.unit_price.nanos`]: () => 0,
});

const otherDraft = (path: string): Trial["others"] => ({
  [`${path}.user_id`]: () => eve.id,
  ...otherItem(`${path}.items`),
  [`${path}.stock_policy`]: () => 2,
});

/** How an import goes on is no part of what its rows ask for. */
const course = { stop_on_error: () => true };

const trials: Readonly<Record<string, Trial>> = {
  CreateUser: {
    call: shop.users.createUser,
    first: () => ({ email: `${randomUUID()}@example.com`, name: "Ada", password: "correct horse" }),
    others: { email: () => "countess@example.com", name: () => "Countess" },
    // It is kept as a hash alone, and is no part of the user.
    same: { password: () => "another horse" },
  },
  UpdateUser: {
    call: shop.users.updateUser,
    async first() {
      const { id, email, etag } = await shop.user();
      return { user: { id, email, etag, name: "Countess" }, updateMask: { paths: ["name", "email"] } };
    },
    others: {
      "user.id": () => eve.id,
      "user.email": () => "countess@example.com",
      "user.name": () => "Ada",
      "user.etag": () => '"2"',
      "update_mask.paths": () => ["name"],
    },
    same: { "user.create_time": () => ({ seconds: 1n }), "user.update_time": () => ({ seconds: 1n }) },
  },
  DeleteUser: {
    call: shop.users.deleteUser,
    first: async () => ({ id: (await shop.user()).id, etag: '"1"' }),
    others: { id: () => eve.id, etag: () => "", force: () => true },
  },
  CreateProduct: {
    call: shop.inventory.createProduct,
    first: () => ({ name: "Lamp", onHand: 1n }),
    others: { name: () => "Desk", on_hand: () => 2n },
  },
  AdjustStock: {
    call: shop.inventory.adjustStock,
    first: () => ({ productId: lamp.id, delta: 1n }),
    others: { product_id: () => desk.id, delta: () => 2n },
  },
  CreateOrder: {
    call: shop.orders.createOrder,
    first: draft,
    others: { user_id: () => eve.id, stock_policy: () => 2, ...otherItem("items") },
    same: { "items.id": randomUUID },
  },
  UpdateOrderStatus: {
    call: shop.orders.updateOrderStatus,
    first: async () => ({ id: await newOrder(), status: 2, etag: '"1"' }),
    others: { id: newOrder, status: () => 5, etag: () => "" },
  },
  BatchUpdateOrderStatuses: {
    call: shop.orders.batchUpdateOrderStatuses,
    first: async () => ({ changes: [{ id: await newOrder(), status: 2, etag: '"1"' }] }),
    others: { "changes.id": newOrder, "changes.status": () => 5, "changes.etag": () => "" },
  },
  ImportOrders: {
    call: shop.orders.importOrders,
    first: () => ({ orders: [draft()] }),
    others: otherDraft("orders"),
    same: { ...course, "orders.items.id": randomUUID },
    known: ["first_index"],
  },
  IngestOrders: {
    call: (request) => shop.orders.ingestOrders(once(request)),
    first: () => ({ orders: [draft()] }),
    others: otherDraft("orders"),
    same: { ...course, "orders.items.id": randomUUID },
    known: ["first_index"],
  },
  ImportOrderItems: {
    call: shop.orders.importOrderItems,
    first: async () => ({ items: [{ orderId: await newOrder(), item: line(lamp, 2, { ...price }) }] }),
    others: otherItem("items.item"),
    same: { ...course, "items.item.id": randomUUID },
    known: ["first_index", "items.order_id"],
  },
};

const mutations = [UserService, InventoryService, OrderService]
  .flatMap((service): DescMethod[] => service.methods)
  .filter((method) => hasOption(method, policy) && getOption(method, policy).idempotencyKeyField !== "");

test("each method with an idempotency key is tried", () => {
  expect(Object.keys(trials).toSorted()).toEqual(mutations.map(({ name }) => name).toSorted());
});

describe.each(mutations.map((method) => [method.name, method] as const))("%s", (name, method) => {
  const { call, first, others, same = {}, known = [] } = trials[name]!;
  const key = getOption(method, policy).idempotencyKeyField;

  test("is tried with another value of each field that there is", () => {
    const tried = [key, ...Object.keys(others), ...Object.keys(same), ...known];

    expect(tried.toSorted()).toEqual(pathsOf(method.input).toSorted());
  });

  test.each(Object.entries(others))(
    "is refused with another %s under a used request_id",
    async (path, make) => {
      const request = { ...(await first()), requestId: randomUUID() };
      expect(await refusalOf(call(request as never))).toBeUndefined();
      const repetition = replace(request, path, await make());
      const before = await shop.stored();

      const refusal = await refusalOf(call(repetition as never));

      expect(refusal).toBe("REQUEST_ID_REUSED");
      expect(await shop.stored()).toEqual(before);
    },
  );

  test.each(Object.entries(same))("is repeated with another %s", async (path, make) => {
    const request = { ...(await first()), requestId: randomUUID() };
    expect(await refusalOf(call(request as never))).toBeUndefined();
    const before = await shop.stored();

    const refusal = await refusalOf(call(replace(request, path, await make()) as never));

    expect(refusal).toBeUndefined();
    expect(await shop.stored()).toEqual(before);
  });
});

/** The paths of all values in a message, in the contract's spelling; of a list, those of its elements. */
function pathsOf(schema: DescMessage): string[] {
  return schema.fields.flatMap((field) => {
    const isWhole = field.message?.typeName === "google.protobuf.Timestamp";
    if (!field.message || isWhole) return [field.name];
    return pathsOf(field.message).map((path) => `${field.name}.${path}`);
  });
}

async function* once<T>(request: T): AsyncGenerator<T> {
  yield request;
}

/** A copy of a request with another value; of a list the first element has it. */
function replace(request: Fields, path: string, value: unknown): Fields {
  const copy = structuredClone(request);
  const keys = path
    .replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
    .split(".")
    .toReversed();
  const [last, ...way] = keys;
  const parent = way.reduceRight<Fields>((message, key) => {
    const part = message[key] as Fields | Fields[];
    return Array.isArray(part) ? part[0]! : part;
  }, copy);
  parent[last!] = value;
  return copy;
}

/** Why a call was refused, or the first row of an import; undefined if it was not. */
async function refusalOf(answer: Promise<unknown> | AsyncIterable<unknown>): Promise<string | undefined> {
  try {
    if (!(Symbol.asyncIterator in answer)) return void (await answer);
    for await (const each of answer as AsyncIterable<Answer>) {
      const refused = (each.chunk ?? each.answer?.value)?.refused?.[0];
      if (refused) return fromBinary(ErrorInfoSchema, refused.status!.details[0]!.value).reason;
    }
    return undefined;
  } catch (error) {
    return toFailure(error).reason;
  }
}

/** Of an import. */
type Answer = {
  readonly chunk?: CommittedChunk;
  readonly answer?: { readonly value?: Partial<CommittedChunk> };
};
