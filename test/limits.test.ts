import { expect, test } from "vitest";
import { OrderService } from "../src/gen/commerce/order/v1/order_service_pb.ts";
import { Health } from "../src/gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../src/gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as V1Alpha } from "../src/gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { type CallLimits, limitsOf } from "../src/rpc/limits.ts";

const { createOrder, importOrders, importOrderItems, ingestOrders } = OrderService.method;
const METHODS = {
  createOrder,
  importOrders,
  importOrderItems,
  ingestOrders,
  check: Health.method.check,
  watch: Health.method.watch,
  reflection: ServerReflection.method.serverReflectionInfo,
  alpha: V1Alpha.method.serverReflectionInfo,
};

/** In seconds: the deadline without one of the caller's own, the longest, and the longest idleness. */
function limits(streams: CallLimits["streams"]) {
  const calls = {
    inFlightMax: 1,
    streamsMax: 1,
    messageBytesMax: 1,
    deadlineMsDefault: 5_000,
    deadlineMsMax: 60_000,
    streams,
    refusalMs: 60_000,
  };
  return Object.fromEntries(
    Object.entries(METHODS).map(([name, method]) => {
      const { deadlineMsDefault, deadlineMsMax, idleMsMax } = limitsOf(method, calls);
      return [name, [deadlineMsDefault, deadlineMsMax, idleMsMax].map((ms) => ms / 1_000)];
    }),
  );
}

test("calls have the configuration's limits and streams those of the contract", () => {
  expect(limits({})).toEqual({
    createOrder: [5, 60, Infinity],
    importOrders: [60, 3_600, Infinity],
    importOrderItems: [60, 3_600, Infinity],
    ingestOrders: [Infinity, Infinity, 300],
    check: [5, 60, Infinity],
    watch: [Infinity, Infinity, Infinity],
    reflection: [Infinity, Infinity, 60],
    alpha: [Infinity, Infinity, 60],
  });
});

test("what the configuration says of streams goes before the contract", () => {
  expect(limits({ deadlineMsDefault: 30_000, deadlineMsMax: 7_200_000, idleMsMax: 10_000 })).toMatchObject({
    createOrder: [5, 60, Infinity],
    importOrders: [30, 7_200, Infinity],
    importOrderItems: [30, 7_200, Infinity],
    ingestOrders: [Infinity, Infinity, 10],
    watch: [Infinity, Infinity, Infinity],
    reflection: [Infinity, Infinity, 10],
  });
});

test("a longest deadline that is shorter than the default one is the default one", () => {
  expect(limits({ deadlineMsMax: 20_000 })).toMatchObject({ importOrders: [20, 20, Infinity] });
});
