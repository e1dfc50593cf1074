import { expect, onTestFinished, test, vi } from "vitest";
import { outcomeUnknown } from "../src/errors.ts";
import { callerLeft, createLifetimes } from "../src/rpc/lifetime.ts";

/** Begins a call that is observed, by default of a caller who waits for half a minute. */
function begin(askedMs = 30_000) {
  const [end, onAbort] = [vi.fn<(error?: unknown) => void>(), vi.fn<(error: unknown) => void>()];
  const controller = new AbortController();
  const observed = { run: <T>(work: () => T) => work(), identify: () => {}, end };
  const limits = { deadlineMsDefault: 5_000, deadlineMsMax: 60_000, idleMsMax: Infinity };
  const arrivedMs = Date.now();
  const incoming = {
    listener: "grpc",
    header: () => null,
    arrivedMs,
    deadlineMs: arrivedMs + askedMs,
    controller,
  };
  const lifetime = createLifetimes()({ observer: () => observed, limits }, incoming as never, onAbort);
  return { ...lifetime, arrivedMs, controller, end, onAbort };
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

const doubt = () => outcomeUnknown(new Error("nothing was heard"));

test.each([
  ["no deadline", Infinity, 5_000],
  ["a deadline that is too long", 600_000, 60_000],
])("a caller with %s is told of a handler that does not answer before that", (_title, askedMs, ownMs) => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  onTestFinished(() => void vi.useRealTimers());
  const call = begin(askedMs);
  call.handled(doubt);

  vi.advanceTimersByTime(call.deadlineMs - call.arrivedMs);
  const atTheEndOfAttempts = call.onAbort.mock.calls.length;
  vi.advanceTimersByTime(call.arrivedMs + ownMs - 1 - Date.now());

  expect([call.deadlineMs - call.arrivedMs, atTheEndOfAttempts]).toEqual([ownMs - 250, 0]);
  expect(call.onAbort.mock.calls).toMatchObject([[{ cause: { reason: "COMMIT_OUTCOME_UNKNOWN" } }]]);
});

test.each([
  ["its own deadline ends", 2_000, true],
  ["its request has not arrived", Infinity, false],
])("a caller is told that the deadline has passed where %s", (_title, askedMs, isHandled) => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  onTestFinished(() => void vi.useRealTimers());
  const call = begin(askedMs);
  if (isHandled) call.handled(doubt);

  vi.advanceTimersByTime(5_000);

  expect(call.onAbort.mock.calls).toMatchObject([[{ cause: { reason: "DEADLINE_EXCEEDED" } }]]);
});
