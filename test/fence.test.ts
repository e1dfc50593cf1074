import type pg from "pg";
import { expect, test } from "vitest";
import type { Engine } from "../src/config.ts";
import { endSession } from "../src/db/engine/fence.ts";

const session = { processId: 7, applicationName: "commerce-core 0123456789ab" };

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
  ["is still in the list of sessions", "cockroachdb", [[], [{ session_id: "16" }]]],
])("a session that %s has not ended (%s)", async (_, engine, answers) => {
  const ended = endSession(answering(answers).client, engine, session);

  await expect(ended).rejects.toThrow("a session whose outcome is unknown did not end in time");
});

test.each<[string, Engine, unknown[][]]>([
  ["has ended in time", "postgresql", [[{ ended: true }]]],
  ["is not there any more", "postgresql", [[]]],
  ["is in no list of sessions", "cockroachdb", [[], []]],
])("a session that %s has ended (%s)", async (_, engine, answers) => {
  await expect(endSession(answering(answers).client, engine, session)).resolves.toBeUndefined();
});

test("PostgreSQL is asked for the process that has the session's name, and to wait for its end", async () => {
  const { sent, client } = answering([[{ ended: true }]]);

  await endSession(client, "postgresql", session);

  expect(sent).toEqual([
    {
      text: expect.stringMatching(/pg_terminate_backend\(pid, \$3/) as string,
      values: [7, session.applicationName, 1_000],
    },
  ]);
});

test("CockroachDB is asked for the sessions of the name, and looked at afterwards", async () => {
  const { sent, client } = answering([[], []]);

  await endSession(client, "cockroachdb", session);

  expect(sent.map(({ text }) => text)).toEqual([
    expect.stringMatching(/^cancel sessions .*application_name = 'commerce-core 0123456789ab'/),
    expect.stringMatching(/^select session_id .*application_name = 'commerce-core 0123456789ab'/),
  ]);
});
