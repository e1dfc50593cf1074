import { randomUUID } from "node:crypto";
import type { Connection } from "../../src/config.ts";
import { within, type Database } from "../../src/db/engine/database.ts";
import type { Run } from "../../src/db/engine/statement.ts";
import { createOrders } from "../../src/db/orders/place-orders.ts";
import { changeStatuses, changeStatusesAtomically } from "../../src/db/orders/change-statuses.ts";
import type { Order } from "../../src/db/orders/orders.ts";
import { expectOne } from "../../src/db/outcome.ts";
import { adjustStock } from "../../src/db/products/adjust-stock.ts";
import { deleteUser, updateUser } from "../../src/db/users/change-users.ts";
import { createUsers } from "../../src/db/users/users.ts";
import { execute } from "./databases.ts";
import { deadline } from "./pools.ts";
import { createRows, orderDraft, userDraft } from "./rows.ts";

/** What tells a call from others, and how long its refusal is kept. */
export type Key = { readonly id: string; readonly fingerprint: string; readonly refusalMs: number };

export const newKey = (): Key => ({
  id: randomUUID(),
  fingerprint: randomUUID(),
  refusalMs: 86_400_000,
});

/** A call that the database refuses, for a reason that can be mended. */
export type Refused = {
  /** Makes the call: throws why it is refused. */
  readonly make: (run: Run, key: Key) => Promise<unknown>;
  /** Takes the reason away. */
  readonly mend: () => Promise<unknown>;
  /** How often the call has happened under a key. */
  readonly count: (key: Key) => Promise<number>;
};

type Kind = readonly [
  name: string,
  reason: string,
  arrange: (db: Database, connection: Connection) => Promise<Refused>,
];

async function countRows(connection: Connection, text: string, values: readonly string[]): Promise<number> {
  return Number((await execute<{ count: string }>(connection, text, [...values]))[0]!.count);
}

/** One call of each kind that may be refused. */
export const kinds: readonly Kind[] = [
  [
    "CreateOrder",
    "INSUFFICIENT_STOCK",
    async (db, connection) => {
      const rows = createRows(db);
      const [user, product] = [await rows.user(), await rows.product(0n)];
      return {
        make: async (run, key) =>
          expectOne(await createOrders(run, [orderDraft(user.id, product.id, 1, key)])),
        mend: () => execute(connection, "update products set on_hand = 1 where id = $1", [product.id]),
        async count({ id }) {
          const orders = await countRows(connection, "select count(*) from orders where id = $1", [id]);
          const left = await rows.read(product);
          if (Number(left.onHand) > 1 - orders) throw new Error("the order has taken nothing");
          return orders;
        },
      };
    },
  ],
  [
    "AdjustStock",
    "INSUFFICIENT_STOCK",
    async (db, connection) => {
      const product = await createRows(db).product(0n);
      const adjustment = { productId: product.id, delta: -1n };
      return {
        make: async (run, key) => expectOne(await adjustStock(run, [{ ...adjustment, ...key }])),
        mend: () => execute(connection, "update products set on_hand = 1 where id = $1", [product.id]),
        count: ({ id }) =>
          countRows(connection, "select count(*) from stock_movements where id = $1 and delta <> 0", [id]),
      };
    },
  ],
  [
    "UpdateOrderStatus",
    "ETAG_MISMATCH",
    async (db, connection) => {
      const { order } = await givenOrder(db);
      const change = { orderId: order.id, status: "confirmed" as const, version: 2n };
      return {
        make: async (run, { id, ...key }) =>
          expectOne(await changeStatuses(run, [{ ...change, ...key, idempotencyKey: id }])),
        mend: () => execute(connection, "update orders set version = 2 where id = $1", [order.id]),
        count: ({ id }) => countEvents(connection, id),
      };
    },
  ],
  [
    "BatchUpdateOrderStatuses",
    "ETAG_MISMATCH",
    async (db, connection) => {
      const [{ order: first }, { order: second }] = [await givenOrder(db), await givenOrder(db)];
      const status = "confirmed" as const;
      return {
        make: (run, { id, ...key }) =>
          changeStatusesAtomically(run, [
            { orderId: first.id, status, version: undefined, ...key, idempotencyKey: id },
            { orderId: second.id, status, version: 2n, ...key, idempotencyKey: otherThan(id) },
          ]),
        mend: () => execute(connection, "update orders set version = 2 where id = $1", [second.id]),
        async count({ id }) {
          const done = [await countEvents(connection, id), await countEvents(connection, otherThan(id))];
          if (done[0] !== done[1]) throw new Error("half of a batch has happened");
          return done[0]!;
        },
      };
    },
  ],
  [
    "UpdateUser",
    "EMAIL_TAKEN",
    async (db, connection) => {
      const rows = createRows(db);
      const [user, rival] = [await rows.user(), await rows.user()];
      const change = { userId: user.id, version: undefined, email: rival.email, name: undefined };
      return {
        make: (run, { id, ...key }) => updateUser(run, { ...change, ...key, changeId: id }),
        mend: () => freeEmail(connection, rival.email),
        count: ({ id }) => countChanges(connection, id),
      };
    },
  ],
  [
    "DeleteUser",
    "ETAG_MISMATCH",
    async (db, connection) => {
      const user = await createRows(db).user();
      const change = { userId: user.id, version: 2n, force: false };
      return {
        make: async (run, { id, ...key }) => {
          await deleteUser(run, { ...change, ...key, changeId: id });
          return "deleted";
        },
        mend: () => execute(connection, "update users set version = 2 where id = $1", [user.id]),
        count: ({ id }) => countChanges(connection, id),
      };
    },
  ],
  [
    "CreateUser",
    "EMAIL_TAKEN",
    async (db, connection) => {
      const rival = await createRows(db).user();
      return {
        make: async (run, key) =>
          expectOne(
            await createUsers(run, [userDraft({ email: rival.email, ...key, changeId: otherThan(key.id) })]),
          ),
        mend: () => freeEmail(connection, rival.email),
        count: ({ id }) => countRows(connection, "select count(*) from users where id = $1", [id]),
      };
    },
  ],
];

async function givenOrder(db: Database): Promise<{ readonly order: Order }> {
  const rows = createRows(db);
  const [user, product] = [await rows.user(), await rows.product()];
  return { order: await rows.order(orderDraft(user.id, product.id)) };
}

/** Another id that is derived from a call. */
function otherThan(id: string): string {
  return id.replace(/^./, (digit) => (digit === "0" ? "1" : "0"));
}

function freeEmail(connection: Connection, email: string): Promise<unknown> {
  const text = "update users set email = gen_random_uuid() || '@example.com' where email = $1";
  return execute(connection, text, [email]);
}

function countEvents(connection: Connection, key: string): Promise<number> {
  const text = "select count(*) from order_events where idempotency_key = $1 and refusal is null";
  return countRows(connection, text, [key]);
}

function countChanges(connection: Connection, id: string): Promise<number> {
  const text = "select count(*) from user_changes where id = $1 and refusal is null";
  return countRows(connection, text, [id]);
}

/** A run that is over after its first statement: what a replica that is killed has sent. */
export function sendOne(db: Database): Run {
  let sent = false;
  return (statement, values) => {
    if (sent) throw new Error("killed");
    sent = true;
    return within(db, deadline())(statement, values);
  };
}
