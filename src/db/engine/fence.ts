import type pg from "pg";
import type { Engine } from "../../config.ts";
import type { Session } from "./pool.ts";
import { command } from "./statement.ts";

const endBackends = command(
  "fence.end_backend",
  `select pg_terminate_backend(pid, $3::int8) as ended from pg_stat_get_activity($1::int4)
  where application_name = $2::text`,
  "postgresql",
);

// "cancel sessions" takes no parameters: the name, which is made by us of letters and digits, is written into
// the text.
const selectSessions = command(
  "fence.sessions",
  "select session_id from [show cluster sessions] where application_name = '<name>'",
  "cockroachdb",
);
const cancelSessions = command(
  "fence.cancel_sessions",
  `cancel sessions if exists (${selectSessions})`,
  "cockroachdb",
);

/** How long a session may take to end: it only has to roll back. */
const endMsMax = 1_000;

/**
 * Ends a session on the server and returns once it has ended, or never existed. From then on nothing that was
 * sent on it can happen any more, not even what still waits in a network: what has not happened by now never
 * will. Throws if the session has not ended in time.
 */
export async function endSession(client: pg.ClientBase, engine: Engine, session: Session): Promise<void> {
  const ended = await (engine === "postgresql"
    ? endBackend(client, session)
    : cancelSession(client, session));
  if (!ended) throw new Error("a session whose outcome is unknown did not end in time");
}

async function endBackend(client: pg.ClientBase, { processId, applicationName }: Session): Promise<boolean> {
  const values = [processId, applicationName, endMsMax];
  const { rows } = await client.query<{ ended: boolean }>(endBackends, values);
  return rows.every(({ ended }) => ended);
}

async function cancelSession(client: pg.ClientBase, { applicationName }: Session): Promise<boolean> {
  await client.query(cancelSessions.replace("<name>", applicationName));
  // A session that was cancelled ends by itself; whoever asks again soon finds it gone.
  return (await client.query(selectSessions.replace("<name>", applicationName))).rows.length === 0;
}
