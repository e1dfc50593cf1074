import { statement } from "../engine/statement.ts";
import { markExpiry, sentMarks } from "../refusals.ts";

/** Keeps refusals to change users: changes of no user. */
export const refuseChanges = statement<{ readonly id: string }>(
  "users.refuse_changes",
  `insert into user_changes (id, user_id, fingerprint, refusal, expire_time)
  select id, id, id, refusal::jsonb, ${markExpiry} from ${sentMarks.from("m")} order by id
  on conflict do nothing
  returning id`,
);

/** Says of creations that have made no user why, and until when that is kept. */
export const refuseCreations = statement(
  "users.refuse_creations",
  `update user_changes c set refusal = m.refusal::jsonb, expire_time = ${markExpiry}
  from ${sentMarks.from("m")} where c.id = m.id and c.refusal is null`,
);
