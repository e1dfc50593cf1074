import { randomUUID } from "node:crypto";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { expect, inject, test } from "vitest";
import { OrderService } from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import { UserService } from "../../src/gen/commerce/user/v1/user_service_pb.ts";
import { createTestDatabase } from "../support/databases.ts";
import { outcomes } from "../support/errors.ts";
import { startMain, toUrl } from "../support/main.ts";

const { engine } = inject("engine");

test.runIf(engine === "postgresql")(
  "nothing of a request is in the log at the trace level, or in the metrics",
  async () => {
    await using database = await createTestDatabase();
    await using service = startMain({ DATABASE_URL: toUrl(database.connection), LOG_LEVEL: "trace" });
    const text = await service.printed("/ListUsers\n");
    const [grpc, http, admin] = ["gRPC", "Connect, gRPC-Web, JSON", "admin"].map(
      (listener) => `http://${new RegExp(`^ *${listener} +(?:http://)?([\\d.:]+)`, "m").exec(text)?.[1]}`,
    );
    const marked = {
      email: "marked-email@example.com",
      name: "Marked Name",
      password: "marked password",
      id: randomUUID(),
      pageToken: "marked-token",
      path: "marked_path",
    };
    const { email, name, password, id, pageToken } = marked;

    for (const transport of [
      createGrpcTransport({ baseUrl: grpc! }),
      createConnectTransport({ baseUrl: http!, httpVersion: "1.1", useBinaryFormat: false }),
    ]) {
      const [users, orders] = [createClient(UserService, transport), createClient(OrderService, transport)];
      const created = await outcomes([users.createUser({ email, name, password })]);
      const failed = await outcomes([
        users.createUser({ email, name, password }),
        users.getUser({ id }),
        users.getUser({ id: marked.path }),
        users.getUserByEmail({ email: `no-${email}` }),
        users.authenticateUser({ email, password: `wrong ${password}` }),
        users.updateUser({ user: { id, name }, updateMask: { paths: [marked.path] } }),
        users.listUsers({ pageToken }),
        orders.createOrder({ userId: id, items: [], requestId: marked.path }),
      ]);
      expect([...created, ...failed].filter((each) => each === undefined).length).toBeLessThanOrEqual(1);
    }
    const metrics = await (await fetch(`${admin}/metrics`)).text();
    service.signal("SIGTERM");
    const { stderr } = await service.ended;

    expect(stderr.split("\n").filter((line) => line.includes('"failed"')).length).toBeGreaterThanOrEqual(16);
    const written = (stderr + metrics).toLowerCase();
    expect(Object.values(marked).filter((value) => written.includes(value.toLowerCase()))).toEqual([]);
  },
);
