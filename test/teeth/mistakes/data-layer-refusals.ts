import type { Mutation } from "../mutation.ts";

const tests = ["test/service/refusals.test.ts"];
const attempts = ["test/service/superseded-imports.test.ts"];
const refusals = "src/db/refusals.ts";
const placing = "src/db/orders/place-orders.ts";
const changing = "src/db/orders/change-statuses.ts";
const users = "src/db/users/users.ts";
const sweeping = "src/db/sweep-refusals.ts";

const late = ["test/service/late-statements.test.ts"];

/** Mistakes in keeping refusals, each of which lets a call that was refused happen after all. */
export const refusalMutations: readonly Mutation[] = [
  {
    file: placing,
    what: "an order is placed whether its event could be inserted or not",
    from: "from request r join event e on e.order_id = r.id\n",
    to: "from request r join candidate c on c.n = r.n and c.verdict = 'possible'\n",
    tests: [...tests, ...late],
  },
  {
    file: placing,
    what: "the mark of an order is not looked for",
    from: "event.refusal ? toRefusal(event.refusal, draft)",
    to: 'event.refusal?.reason === "" ? toRefusal(event.refusal, draft)',
    tests,
  },
  {
    file: refusals,
    what: "a refusal of a later release is told without its kind",
    from: "return stored.fingerprint === fingerprint ? restoreError(stored)",
    to: 'return stored.fingerprint === fingerprint ? restoreError({ ...stored, kind: "internal" })',
    tests: ["test/refusals-kept.test.ts"],
  },
  {
    file: refusals,
    what: "a call without a request_id leaves no mark, though its batch may still arrive",
    from: "return request.refusalMs > 0 ? request : { ...request, refusalMs: arrivalMsMax };",
    to: "return request;",
    tests: ["test/service/late-batches.test.ts"],
  },
  {
    file: "src/db/engine/batcher.ts",
    what: "a request of a stopped batch is sent again as if it were the first time",
    from: "(inDoubt ? toRepeated(request) : request)",
    to: "(inDoubt ? request : toRepeated(request))",
    tests: ["test/service/late-batches.test.ts"],
  },
  {
    file: "src/db/orders/import-attempts.ts",
    what: "an attempt at an import that is late ends one that has begun meanwhile",
    from: "  where imports.attempt_id in (excluded.attempt_id, $4::uuid)\n",
    to: "  where imports.attempt_id is distinct from $4::uuid or true\n",
    tests: attempts,
  },
  {
    file: "src/services/imports.ts",
    what: "an import that could not begin does not try again in smaller chunks",
    from: "      begun = undefined;\n",
    to: "",
    tests: ["test/service/imports.test.ts"],
  },
  {
    file: changing,
    what: "a batch that has happened looks for a mark that it cannot leave",
    from: "if (refusals.has(first) && orders.length === 0)",
    to: "if (refusals.has(first))",
    tests: ["test/service/batches.test.ts"],
  },
  {
    file: sweeping,
    what: "a sweep that failed is the last one",
    from: "if (!stop.signal.aborted) timer = setTimeout(() => void sweep(), pauseMs);",
    to: "",
    tests: ["test/refusals-kept.test.ts"],
  },
  {
    file: "src/db/users/change-users.ts",
    what: "the events of the orders outlive their user",
    from: "where e.order_id = o.id and c.verdict = 'ok'",
    to: "where e.order_id = o.id and c.verdict = 'stale'",
    tests: ["test/service/user-rows.test.ts"],
  },
  {
    file: "src/db/orders/refuse-orders.ts",
    what: "a refused order leaves its mark under another id",
    from: "select id, 1, 'refused', ${idempotencyKey}",
    to: "select gen_random_uuid(), 1, 'refused', ${idempotencyKey}",
    tests,
  },
  {
    file: "src/db/orders/refuse-orders.ts",
    what: "a refused change of a status leaves its mark under no key",
    from: 'refuse("orders.refuse_changes", "id")',
    to: 'refuse("orders.refuse_changes", "null::uuid")',
    tests,
  },
  {
    file: refusals,
    what: "a refusal is answered without its mark",
    from: "const kept = marks.length === 0 ? [] : await run(keep, sentMarks.values(marks));",
    to: "const kept = marks;",
    tests,
  },
  {
    file: refusals,
    what: "a refusal is answered although its mark met what had happened",
    from: "answer((n) => ids.has(idOf(nth(requests, n))));",
    to: "answer((n) => ids.has(idOf(nth(requests, n))) || marks.length > 0);",
    tests: ["test/service/interleaved-orders.test.ts"],
  },
  {
    file: refusals,
    what: "a refusal under a request_id of the service is kept",
    from: "return request.refusalMs === 0 ? [] : [toMark(idOf(request), error, request)];",
    to: "return [toMark(idOf(request), error, { ...request, refusalMs: 60_000 })];",
    tests,
  },
  {
    file: refusals,
    what: "a mark refuses another call under its request_id with its own reason",
    from: "return stored.fingerprint === fingerprint ? restoreError(stored) : requestIdReused();",
    to: 'return fingerprint === "" ? requestIdReused() : restoreError(stored);',
    tests,
  },
  {
    file: refusals,
    what: "a mark expires before its time",
    from: "now() + kept_ms * interval '1 millisecond'",
    to: "now() + kept_ms * interval '1 microsecond'",
    tests,
  },
  {
    file: changing,
    what: "the refusal of a batch is kept under no key that it would write",
    from: "run, changes.slice(0, 1), {\n    idOf: ({ idempotencyKey }) => idempotencyKey,",
    to: "run, changes.slice(0, 1), {\n    idOf: ({ orderId }) => orderId,",
    tests,
  },
  {
    file: "src/db/products/adjust-stock.ts",
    what: "the mark of an adjustment of stock passes for a movement",
    from: "if (movement.refusal) outcomes[n] = toRefusal(movement.refusal, adjustment);\n    else if (",
    to: "if (",
    tests,
  },
  {
    file: "src/db/users/change-users.ts",
    what: "the mark of a change of a user passes for one",
    from: "if (refusal) outcomes[0] = toRefusal(refusal, change);\n      else if (",
    to: "if (",
    tests,
  },
  {
    file: users,
    what: "a user is created although the creation was recorded before",
    from: "where change_id in (select id from recorded) order by email, n",
    to: "order by email, n",
    tests,
  },
  {
    file: users,
    what: "the refusal of a creation is never deleted",
    from: "if (refused.length > 0) await run(refuseCreations, sentMarks.values(refused));",
    to: "",
    tests,
  },
  {
    file: sweeping,
    what: "marks are deleted while they are to be kept",
    from: "where expire_time <= now() order by",
    to: "where expire_time is not null order by",
    tests,
  },
  {
    file: sweeping,
    what: "one transaction is all that a sweep deletes",
    from: "for (let swept = sweptMax; swept === sweptMax;)",
    to: "for (let swept = sweptMax; swept === sweptMax; swept = 0)",
    tests,
  },
  {
    file: placing,
    what: "an attempt at an import goes on placing orders behind the next one",
    from: "case when ${isSuperseded(sentDemands.next)} then 'superseded'\n        when u.id",
    to: "case when u.id",
    tests: attempts,
  },
  {
    file: "src/db/orders/import-items.ts",
    what: "an attempt at an import goes on adding items behind the next one",
    from: "case when ${isSuperseded(sentItems.next)} then 'superseded'\n        when a.verdict",
    to: "case when a.verdict",
    tests: attempts,
  },
  {
    file: "src/db/orders/import-attempts.ts",
    what: "an attempt at an import takes no notice of the next one",
    from: "and attempt_id = $${first + 1}::uuid",
    to: "and $${first + 1}::uuid is not null",
    tests: attempts,
  },
];
