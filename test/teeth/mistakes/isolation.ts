import type { Mutation } from "../mutation.ts";

const placing = "src/db/orders/place-orders.ts";
const changing = "src/db/orders/change-statuses.ts";
const importing = "src/db/orders/import-items.ts";
const adjusting = "src/db/products/adjust-stock.ts";
const users = "src/db/users/change-users.ts";
const attempts = "src/db/users/attempts.ts";
const ofOrders = ["test/service/interleaved-orders.test.ts"];
const ofUsers = ["test/service/interleaved-users.test.ts"];
const ofLogins = ["test/service/interleaved-logins.test.ts"];
const ofImports = ["test/service/interleaved-imports.test.ts"];

/** Mistakes by which statements that meet under read committed do what they would not do one by one. */
export const isolationMutations: readonly Mutation[] = [
  {
    file: placing,
    what: "an order decides by the stock of its snapshot",
    from: "where id = any($1::uuid[]) order by id for update),",
    to: "where id = any($1::uuid[]) order by id),",
    tests: ofOrders,
  },
  {
    file: placing,
    what: "an order is counted from the stock of its snapshot, which the constraint sees",
    from: `set on_hand = t.on_hand, version = p.version + 1, update_time = greatest(now(), p.update_time)
    from (
      select d.product_id, max(d.on_hand) - sum(d.quantity)::int8 as on_hand`,
    to: `set on_hand = p.on_hand - t.on_hand, version = p.version + 1, update_time = now()
    from (
      select d.product_id, sum(d.quantity)::int8 as on_hand`,
    tests: ofOrders,
  },
  {
    file: adjusting,
    what: "an adjustment decides by the stock of its snapshot",
    from: "    order by id for update\n",
    to: "    order by id\n",
    tests: ofOrders,
  },
  {
    file: changing,
    what: "a status change decides by the status of its snapshot",
    from: "order by id for update\n",
    to: "order by id\n",
    tests: ofOrders,
  },
  {
    file: changing,
    what: "a cancellation returns the stock of the items of its snapshot",
    from: "where i.order_id = l.id) then 'contended'",
    to: "where i.order_id = l.id and false) then 'ok'",
    tests: ofImports,
  },
  {
    file: changing,
    what: "times of an order go back behind those of a change that was waited for",
    from: "greatest(now(), l.update_time) as change_time",
    to: "now() as change_time",
    tests: ofOrders,
  },
  {
    file: changing,
    what: "a batch is refused, or not, by a change that comes again",
    from: "when $1::bool and exists (select 1 from candidate where verdict = 'contended')",
    to: "when false",
    tests: ofImports,
  },
  {
    file: importing,
    what: "an item is known or not by the snapshot, whatever its order has become",
    from: "        when o.version <> s.version then 'contended'\n",
    to: "",
    tests: ofImports,
  },
  {
    file: "src/db/orders/import-attempts.ts",
    what: "a chunk that has waited knows nothing of the next attempt at its import",
    from: "    for share\n",
    to: "",
    tests: ofImports,
  },
  {
    file: users,
    what: "a deletion reads what was committed, and the foreign key deletes the rest",
    from: '{ isolation: "repeatable read" },',
    to: "{},",
    tests: ofUsers,
  },
  {
    file: users,
    what: "a deletion locks products before the orders",
    from: "    order by o.id for update of o\n",
    to: "    order by o.id\n",
    tests: ofUsers,
  },
  {
    file: users,
    what: "a deletion locks the user before the products",
    from: " and (select count(id) from held) >= 0\n",
    to: "\n",
    tests: ofUsers,
  },
  {
    file: users,
    what: "an update decides by the version of its snapshot",
    from: 'judgeChange({ lock: "for update" })',
    to: "judgeChange({})",
    tests: ofUsers,
  },
  {
    file: "src/db/users/users.ts",
    what: "emails are taken in any order",
    from: "from recorded) order by email, n",
    to: "from recorded) order by n",
    tests: ofUsers,
  },
  {
    file: attempts,
    what: "attempts to log in that met each other are all judged",
    from: "    where l.retry_time <= now()\n",
    to: "",
    tests: ofLogins,
  },
  {
    file: attempts,
    what: "the sweep deletes what has come to count again",
    from: "    for update skip locked\n",
    to: "",
    tests: ofLogins,
  },
];
