import type pg from "pg";
import { expect, test } from "vitest";
import type { Engine } from "../src/config.ts";
import { endSession, identifySession } from "../src/db/engine/session.ts";

const session = { processId: 7, id: "17a3f1b2c4d5e6f70000000000000102", node: "258" };

/** A connection that is answered with these rows, one statement after the other, and what it has sent. */
function answering(answers: readonly (readonly unknown[])[]) {
  const sent: { readonly text: string; readonly values: readonly unknown[] | undefined }[] = [];
  const query = async (text: string, values?: readonly unknown[]) => ({
    rows: answers[sent.push({ text, values }) - 1]!,
  });
  return { sent, client: { query } as unknown as pg.ClientBase };
}

test.each<[string, Engine, unknown[][]]>([
  ["goes on after it was told to end", "postgresql", [[{ ended: false }]]],
  ["is still in the list of sessions", "cockroachdb", [[], [{ node_id: 258n }]]],
])("a session that %s has not ended (%s)", async (_, engine, answers) => {
  expect(await endSession(answering(answers).client, engine, session)).toBe(false);
});

test.each<[string, Engine, unknown[][]]>([
  ["has ended in time", "postgresql", [[{ ended: true }]]],
  ["is not there any more", "postgresql", [[]]],
  ["is in no list of sessions", "cockroachdb", [[], []]],
])("a session that %s has ended (%s)", async (_, engine, answers) => {
  expect(await endSession(answering(answers).client, engine, session)).toBe(true);
});

test("PostgreSQL is asked for the process that began when the session did, and to wait for its end", async () => {
  const { sent, client } = answering([[{ ended: true }]]);

  await endSession(client, "postgresql", session);

  expect(sent).toEqual([
    {
      text: expect.stringMatching(/pg_terminate_backend\(pid, \$3.*backend_start/s) as string,
      values: [7, session.id, 1_000],
    },
  ]);
});

// A node that cannot be asked is listed without a session: another node's sessions end all the same.
test("CockroachDB is asked to end the session, and for what its own node has left of it", async () => {
  const { sent, client } = answering([[], []]);

  await endSession(client, "cockroachdb", session);

  expect(sent.map(({ text }) => text.replaceAll(/\s+/g, " "))).toEqual([
    `cancel session if exists '${session.id}'`,
    "select node_id from [show all cluster sessions] " +
      `where session_id = '${session.id}' or (session_id is null and node_id = 258)`,
  ]);
});

test("an id that is none of CockroachDB's is written into no text", async () => {
  const { sent, client } = answering([]);
  const other = { ...session, id: "' or true --" };

  await expect(endSession(client, "cockroachdb", other)).rejects.toThrow("an id of another form");
  expect(sent).toEqual([]);
});

test.each<[Engine, string, Record<string, string>, string]>([
  ["postgresql", "select (extract(epoch from backend_start)", { id: "1795000000000000" }, ""],
  ["cockroachdb", "show session_id", { session_id: session.id }, "258"],
])("a session of %s says in one round trip which it is", async (engine, text, row, node) => {
  const { sent, client } = answering([[row]]);

  const known = await identifySession(Object.assign(client, { processID: 7 }), engine);

  expect(known).toEqual({ processId: 7, id: Object.values(row)[0], node });
  expect(sent).toEqual([{ text: expect.stringContaining(text) as string, values: undefined }]);
});
