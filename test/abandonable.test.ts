import { expect, test } from "vitest";
import { abandonable } from "../src/db/engine/deadline.ts";

test("what came in time is not given away as late when the signal aborts in the same turn", async () => {
  const caller = new AbortController();
  const made = Promise.withResolvers<string>();
  const late: string[] = [];
  const taken = abandonable(made.promise, { signal: caller.signal, deadlineMs: Infinity }, (value) =>
    late.push(value),
  );
  void made.promise.then(() => caller.abort(new Error("gone")));

  made.resolve("a connection");

  expect(await taken).toBe("a connection");
  expect(late).toEqual([]);
});
