import type { Hub } from "./hub.ts";
import type { Session } from "./registry.ts";
import { sessionMark, sessionsMarks, queriesMark } from "./translate.ts";

/** Puts what a node knows of sessions into a text, in the place of the marks. */
export function fillMarks(text: string, own: Session, hub: Hub): string {
  if (!text.includes("crdb")) return text;
  const all = (): string => listSessions(own, hub);
  // A node that cannot be asked has no application's name, and so is not among those of applications.
  const ofApplications = (): string =>
    `select * from (${all()}) as every where application_name not like '$ internal%'`;
  return text
    .replaceAll(sessionMark, own.id)
    .replaceAll(sessionsMarks.all, () => `(${all()}) as sessions`)
    .replaceAll(sessionsMarks.ofApplications, () => `(${ofApplications()}) as sessions`)
    .replaceAll(queriesMark, () => `(${listQueries(own, hub)}) as queries`);
}

const quote = (text: string | undefined): string =>
  text === undefined ? "null" : `'${text.replaceAll("'", "''")}'`;

/** What `show cluster sessions` returns: https://www.cockroachlabs.com/docs/stable/show-sessions. */
function listSessions({ node }: Session, hub: Hub): string {
  const reachable = hub.reachable(node);
  const rows = [...hub.sessions.values()]
    .filter((session) => reachable.has(session.node))
    .map(({ node: id, id: sessionId, user, application, query }) => {
      const status = query === undefined ? "IDLE" : "ACTIVE";
      return `(${id}, ${[sessionId, user, application, query ?? "", status].map(quote).join(", ")})`;
    });
  // https://github.com/cockroachdb/cockroach/blob/master/pkg/sql/crdb_internal.go, populateSessionsTable.
  const unreachable = hub
    .members()
    .filter((id) => !reachable.has(id))
    .map((id) => `(${id}, null, null, null, '-- failed to dial into node ${id}', null)`);
  return table("node_id session_id user_name application_name active_queries status", [
    ...rows,
    ...unreachable,
  ]);
}

function listQueries({ node }: Session, hub: Hub): string {
  const reachable = hub.reachable(node);
  const rows = [...hub.sessions.values()]
    .filter((session) => reachable.has(session.node) && session.query !== undefined)
    .map(
      ({ node: id, id: sessionId, queryId, user, query }) =>
        `(${id}, ${[queryId, sessionId, user, query].map(quote).join(", ")})`,
    );
  return table("node_id query_id session_id user_name query", rows);
}

/** A query of rows, the first column of which is a number and the others texts. */
function table(columns: string, rows: readonly string[]): string {
  const names = columns.split(" ");
  const list = names.map((name, n) => `${name}::${n === 0 ? "int8" : "text"}`).join(", ");
  const nulls = `(${names.map(() => "null").join(", ")})`;
  const values = rows.length > 0 ? rows.join(", ") : nulls;
  return `select ${list} from (values ${values}) as v (${names.join(", ")}) where ${rows.length > 0}`;
}
