import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { bounds } from "../src/bounds.ts";
import { ErrorInfoSchema } from "../src/gen/google/rpc/error_details_pb.ts";
import { UserService } from "../src/gen/commerce/user/v1/user_service_pb.ts";
import { OrderService } from "../src/gen/commerce/order/v1/order_service_pb.ts";
import { createIsLarge, createLargeReads } from "../src/rpc/large-reads.ts";
import { PROTOCOLS, startListeners, userClient } from "./support/listeners.ts";

const LARGE = bounds.largeReadRows.max + 1;

test.each(PROTOCOLS)(
  "so many large reads run at once, and small ones beside them, over %s",
  async (protocol) => {
    const gate = Promise.withResolvers<void>();
    const running: number[] = [];
    await using listeners = await startListeners({
      async listUsers({ pageSize }) {
        running.push(pageSize);
        if (pageSize === LARGE) await gate.promise;
        return {};
      },
    });
    const client = userClient(listeners, protocol);

    const large = Array.from({ length: bounds.largeReads.max + 2 }, () =>
      client.listUsers({ pageSize: LARGE }),
    );
    await expect.poll(() => running.length).toBe(bounds.largeReads.max);
    await client.listUsers({ pageSize: bounds.largeReadRows.max });
    const before = running.filter((pageSize) => pageSize === LARGE).length;
    gate.resolve();
    await Promise.all(large);

    expect([before, running.length]).toEqual([bounds.largeReads.max, bounds.largeReads.max + 3]);
  },
);

test("of large reads that would wait too long the last are refused, and a caller has a share", async () => {
  const gate = Promise.withResolvers<void>();
  await using listeners = await startListeners(
    { listUsers: () => gate.promise.then(() => ({})) },
    { calls: { inFlightMax: 1_000 } },
  );
  const client = userClient(listeners, "gRPC");
  const count = bounds.largeReads.max + bounds.largeReadsWaiting.max / 2 + 10;

  const reads = Array.from({ length: count }, () => client.listUsers({ pageSize: LARGE }));
  const refused = await Promise.any(
    reads.map((read) =>
      read.then(
        () => Promise.reject(),
        (error) => error,
      ),
    ),
  );
  gate.resolve();
  const settled = await Promise.allSettled(reads);

  expect(settled.filter(({ status }) => status === "rejected")).toHaveLength(10);
  const [info] = ConnectError.from(refused).findDetails(ErrorInfoSchema);
  expect([ConnectError.from(refused).code, info?.reason]).toEqual([
    Code.ResourceExhausted,
    "TOO_MANY_LARGE_READS",
  ]);
});

test("nothing is read for a connection that leaves its answers unread, before its turn and in it", async () => {
  const reads = createLargeReads();
  const call = { signal: new AbortController().signal, holder: "eve" } as never;
  const rooms = [true, false];

  const atOnce = reads.enter(call, () => false);
  const later = reads.enter(call, () => rooms.shift()!);

  for (const entered of [atOnce, later])
    await expect(entered).rejects.toMatchObject({ reason: "TOO_MANY_UNREAD_BYTES" });
  // None of them has kept its place.
  for (let count = 0; count < bounds.largeReads.max; count++) await reads.enter(call, () => true);
});

test("reads are large by their page size or by their elements, and writes never are", () => {
  const isLarge = (method: "listUsers" | "batchGetUsers" | "getUser", request: object): boolean =>
    createIsLarge(UserService.method[method])(request as never);

  expect([
    isLarge("listUsers", { pageSize: LARGE }),
    isLarge("listUsers", { pageSize: LARGE - 1 }),
    isLarge("batchGetUsers", { ids: Array.from({ length: LARGE }) }),
    isLarge("batchGetUsers", { ids: [] }),
    isLarge("getUser", {}),
    createIsLarge(OrderService.method.batchUpdateOrderStatuses)({ changes: { length: LARGE } } as never),
  ]).toEqual([true, false, true, false, false, false]);
});
