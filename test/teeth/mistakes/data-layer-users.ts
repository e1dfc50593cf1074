import type { Mutation } from "../mutation.ts";

const changing = "src/db/users/change-users.ts";
const users = "src/db/users/users.ts";
const meaning = "src/db/order-status.ts";
const deleting = ["test/service/user-changes.test.ts"];

/** Mistakes in the statements about users and their deletion. */
export const userMutations: readonly Mutation[] = [
  {
    file: changing,
    what: "a change of a user ignores the etag",
    from: "when f.version <> $3::int8 then 'stale' ${refused}",
    to: "${refused}",
    tests: ["test/service/user-rows.test.ts"],
  },
  {
    file: changing,
    what: "another change of a user under a used request id succeeds",
    from: 'else if (verdict === "replayed" && fingerprint !== change.fingerprint) outcomes[0] =',
    to: 'else if (verdict === "ok" && fingerprint === change.fingerprint) outcomes[0] =',
    tests: ["test/service/user-rows.test.ts"],
  },
  {
    file: changing,
    what: "a repetition is judged anew",
    from: "case when k.fingerprint is not null then 'replayed' when f.id is null then 'unknown'",
    to: "case when f.id is null then 'unknown'",
    tests: ["test/service/user-changes.test.ts"],
  },
  {
    file: changing,
    what: "a change of a user that was refused is remembered",
    from: "from candidate where verdict = 'ok' ${alsoRecorded}",
    to: "from candidate where verdict <> 'replayed' ${alsoRecorded}",
    tests: ["test/service/user-rows.test.ts"],
  },
  {
    file: changing,
    what: "a refused update happens",
    from: "from candidate c where u.id = $2::uuid and c.verdict = 'ok'\n    returning",
    to: "from candidate c where u.id = $2::uuid\n    returning",
    tests: ["test/service/user-changes.test.ts"],
  },
  {
    file: changing,
    what: "an update leaves the user's version as it was",
    from: "version = u.version + 1, update_time = greatest(now(), u.update_time)",
    to: "update_time = greatest(now(), u.update_time)",
    tests: ["test/service/user-changes.test.ts"],
  },
  {
    file: changing,
    what: "an update leaves the user's update_time as it was",
    from: "version = u.version + 1, update_time = greatest(now(), u.update_time)",
    to: "version = u.version + 1",
    tests: ["test/service/user-changes.test.ts"],
  },
  {
    file: changing,
    what: "what an update does not name is emptied",
    from: "::text, u.${column})",
    to: "::text, '')",
    tests: ["test/service/user-changes.test.ts"],
  },
  {
    file: changing,
    what: "a user with orders is deleted without force",
    from: "when not $5::bool and exists (select 1 from owned)",
    to: "when not $5::bool and exists (select 1 from owned where status = 'shipped')",
    tests: ["test/service/user-changes.test.ts"],
  },
  {
    file: changing,
    what: "a deletion takes any number of orders with it",
    from: "count(id) > $7::int8 or sum(item_count) > $8::int8",
    to: "sum(item_count) > $8::int8",
    tests: ["test/service/user-changes.test.ts"],
  },
  {
    file: changing,
    what: "a deletion takes any number of items with it",
    from: "count(id) > $7::int8 or sum(item_count) > $8::int8",
    to: "count(id) > $7::int8",
    tests: ["test/service/user-changes.test.ts"],
  },
  {
    file: changing,
    what: "a deletion takes one order less than it may",
    from: "count(id) > $7::int8",
    to: "count(id) >= $7::int8",
    tests: ["test/service/user-changes.test.ts"],
  },
  {
    file: changing,
    what: "the deletion of a user returns stock that was not taken",
    from: "on o.id = l.id and o.reserves_stock\n",
    to: "on o.id = l.id\n",
    tests: ["test/service/user-rows.test.ts"],
  },
  {
    file: meaning,
    what: "the deletion of a user returns stock of orders that were shipped",
    from: 'shipped: { next: ["delivered"], takesItems: true, holdsStock: false',
    to: 'shipped: { next: ["delivered"], takesItems: true, holdsStock: true',
    tests: deleting,
  },
  {
    file: meaning,
    what: "the deletion of a user keeps the stock of confirmed orders",
    from: 'confirmed: { next: ["shipped", "cancelled"], takesItems: true, holdsStock: true',
    to: 'confirmed: { next: ["shipped", "cancelled"], takesItems: true, holdsStock: false',
    tests: ["test/service/user-rows.test.ts"],
  },
  {
    file: changing,
    what: "the deletion of a user leaves the product's version as it was",
    from: "r.quantity, version = p.version + 1,\n      update_time = greatest(now(), p.update_time)",
    to: "r.quantity, update_time = greatest(now(), p.update_time)",
    tests: ["test/service/product-versions.test.ts"],
  },
  {
    file: changing,
    what: "the deletion of a user leaves the product's update_time as it was",
    from: "r.quantity, version = p.version + 1,\n      update_time = greatest(now(), p.update_time)",
    to: "r.quantity, version = p.version + 1",
    tests: ["test/service/product-versions.test.ts"],
  },
  {
    file: changing,
    what: "a user who was deleted is created again by a late repetition",
    from: "union all select $2::uuid, $2::uuid, $4::uuid from candidate where verdict = 'ok'",
    to: "",
    tests: ["test/service/users.test.ts"],
  },
  {
    file: users,
    what: "a page of users begins with the last one of the page before",
    from: "where (u.create_time, u.id) < (",
    to: "where (u.create_time, u.id) <= (",
    tests: ["test/service/list-rows.test.ts"],
  },
  {
    file: users,
    what: "another user under a used request id is answered with the first one",
    from: "outcomes[n] = fingerprint === draft.fingerprint ? user : requestIdReused();",
    to: "outcomes[n] = user;",
    tests: ["test/service/users.test.ts"],
  },
  {
    file: users,
    what: "two users under one id share a set",
    from: "expectDistinct(drafts.map(({ id }) => id));",
    to: "",
    tests: ["test/batch-answers.test.ts"],
  },
];
