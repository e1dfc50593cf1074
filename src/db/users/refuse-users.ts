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

/**
 * Says of creations that have made no user why, and until when that is kept. They are locked in the order of
 * their ids, since another replica may say it of the same ones; the first that does so is right.
 */
export const refuseCreations = statement(
  "users.refuse_creations",
  `with mark as (${sentMarks.select("m")}),
  locked as (
    select c.id from mark m join user_changes c on c.id = m.id order by c.id for update of c
  )
  update user_changes c set refusal = m.refusal::jsonb, expire_time = ${markExpiry}
  from locked l join mark m on m.id = l.id where c.id = l.id and c.refusal is null`,
);
