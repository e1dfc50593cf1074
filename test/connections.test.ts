import { once } from "node:events";
import * as net from "node:net";
import { expect, test } from "vitest";
import { shareDescriptors } from "../src/rpc/descriptors.ts";
import { readMetrics, startDoors, userClient } from "./support/doors.ts";

test.each([
  [1_024, 25, 467],
  [64, 25, 16],
  [Infinity, 25, Infinity],
])("of %d descriptors and %d connections to the database each port gets %d", (limit, database, expected) => {
  expect(shareDescriptors(database, limit)).toBe(expected);
});

test.each(["grpc", "http"] as const)(
  "a connection too many to the %s port is closed and counted, and the others go on",
  async (port) => {
    const getUser = async () => ({ user: { name: "Ada" } });
    await using doors = await startDoors({ getUser }, { connectionsMax: 2 });
    const client = userClient(doors, port === "grpc" ? "gRPC door" : "gRPC");
    await client.getUser({ id: "5220b79e-d40c-5168-9f86-e3cc2ec6b7ff" });
    const connect = () => net.connect(doors[port].address.port, "127.0.0.1");
    const [second, third] = [connect(), connect()];

    await once(
      third.on("error", () => {}),
      "close",
    );
    const { user } = await client.getUser({ id: "5220b79e-d40c-5168-9f86-e3cc2ec6b7ff" });
    const metrics = await readMetrics(doors);
    second.destroy();

    expect(user!.name).toBe("Ada");
    expect(metrics).toContain(`rpc_server_refused_total{door="${port}",reason="TOO_MANY_CONNECTIONS"} 1`);
  },
);
