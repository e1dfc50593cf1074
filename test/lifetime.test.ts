import { expect, test, vi } from "vitest";
import { callerLeft, createLifetimes } from "../src/rpc/lifetime.ts";

/** Begins a call that is observed, of a caller who waits for a minute. */
function begin() {
  const [end, onAbort] = [vi.fn<(error?: unknown) => void>(), vi.fn<(error: unknown) => void>()];
  const controller = new AbortController();
  const observed = { run: <T>(work: () => T) => work(), identify: () => {}, end };
  const limits = { deadlineMsDefault: 5_000, deadlineMsMax: 60_000, idleMsMax: Infinity };
  const incoming = { listener: "grpc", header: () => null, deadlineMs: Date.now() + 60_000, controller };
  const lifetime = createLifetimes()({ observer: () => observed, limits }, incoming as never, onAbort);
  return { ...lifetime, controller, end, onAbort };
}

test("a caller who leaves within two milliseconds of its deadline has left because of it", () => {
  expect(callerLeft(Date.now() + 1)).toMatchObject({ kind: "deadline_exceeded" });
  expect(callerLeft(Date.now() - 1)).toMatchObject({ kind: "deadline_exceeded" });
  expect(callerLeft(Date.now() + 60_000)).toMatchObject({ kind: "cancelled" });
});

test("a call that was answered is not ended again by what comes later", () => {
  const call = begin();

  const answered = call.succeed();
  call.controller.abort(callerLeft(Infinity));
  const again = call.succeed();

  expect([answered, again]).toEqual([true, false]);
  expect(call.end.mock.calls).toEqual([[undefined]]);
  expect(call.onAbort).not.toHaveBeenCalled();
});

test("a call whose caller has left is ended once, with that", () => {
  const call = begin();

  call.controller.abort(callerLeft(Infinity));
  const error = call.fail(new Error("what its handler fails with then"));

  expect(error).toMatchObject({ rawMessage: "the caller cancelled the call" });
  expect(call.end.mock.calls).toEqual([[error]]);
  expect(call.onAbort.mock.calls).toEqual([[error]]);
});
