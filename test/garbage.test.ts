import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { collectGarbage } from "../src/garbage.ts";

const MEBI = 2 ** 20;
const gc = vi.fn<() => Promise<void>>(async () => {});
let external = 0;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  vi.stubGlobal("gc", gc);
  vi.spyOn(process, "memoryUsage").mockImplementation((() => ({ external })) as never);
  gc.mockReset().mockImplementation(async () => {});
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

/** Looks with so much outside of V8's heap, in MiB. */
async function look(mebi: number): Promise<void> {
  external = mebi * MEBI;
  await vi.advanceTimersByTimeAsync(2_000);
}

test("what large requests leave is collected when they are over, and not before", async () => {
  using _ = collectGarbage();

  await look(10);
  await look(100);
  await look(200);
  const during = gc.mock.calls.length;
  await look(200);

  expect([during, gc.mock.calls.length]).toEqual([0, 1]);
});

test("what is still there after a collection is looked for less and less often", async () => {
  using _ = collectGarbage();
  const collected: number[] = [];
  gc.mockImplementation(async () => void collected.push(n));

  await look(10);
  let n = 0;
  for (; n < 40; n++) await look(100);

  expect(collected).toEqual([1, 3, 7, 15, 31]);
});

test("what was in use at a collection is collected when it is not", async () => {
  using _ = collectGarbage();
  await look(10);
  for (let n = 0; n < 2; n++) await look(100);

  gc.mockImplementation(async () => void (external = 10 * MEBI));
  for (let n = 0; n < 2; n++) await look(100);

  expect([external / MEBI, gc.mock.calls.length]).toEqual([10, 2]);
});

test("less than 32 MiB are left alone", async () => {
  using _ = collectGarbage();

  await look(10);
  for (let n = 0; n < 5; n++) await look(41);

  expect(gc).not.toHaveBeenCalled();
});

test("after its disposal nothing is looked at", async () => {
  const collecting = collectGarbage();
  await look(10);
  collecting[Symbol.dispose]();

  for (let n = 0; n < 2; n++) await look(100);

  expect(gc).not.toHaveBeenCalled();
});
