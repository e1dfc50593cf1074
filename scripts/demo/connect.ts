import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createClient, type Interceptor } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { parseConfig } from "../../src/config.ts";
import { InventoryService } from "../../src/gen/commerce/inventory/v1/inventory_service_pb.ts";
import { OrderService } from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import { UserService } from "../../src/gen/commerce/user/v1/user_service_pb.ts";
import { startServer } from "../../src/server.ts";
import type { Shop } from "./shop.ts";

/** Opens the server at a URL or, without one, a temporary server on free ports. */
export async function openServer(
  url: string | undefined,
): Promise<AsyncDisposable & { readonly url: string }> {
  if (url !== undefined) return { url, [Symbol.asyncDispose]: async () => {} };
  await using opening = new AsyncDisposableStack();
  const directory = opening.use(await mkdtempDisposable(path.join(tmpdir(), "commerce-demo-")));
  const anyPort = "127.0.0.1:0";
  const config = parseConfig({
    DATA_DIR: directory.path,
    GRPC_ADDR: anyPort,
    HTTP_ADDR: anyPort,
    ADMIN_ADDR: anyPort,
    LOG_LEVEL: "warn",
    SHUTDOWN_GRACE: "0s",
  });
  const { grpc } = opening.use(await startServer(config));
  const open = opening.move();
  // Otherwise Ctrl-C would leave the directory behind.
  const interrupt = (): void => {
    console.error("\ninterrupted: the server of the demo stops, and calls fail from here on");
    void open.disposeAsync().finally(() => process.exit(130));
  };
  process.once("SIGINT", interrupt);
  return {
    url: `http://${grpc.host}:${grpc.port}`,
    async [Symbol.asyncDispose]() {
      process.off("SIGINT", interrupt);
      await open.disposeAsync();
    },
  };
}

/** Connects clients to the server at a URL, all on one connection. */
export function openShop(url: string, interceptors: Interceptor[] = []): Shop & Disposable {
  const sessionManager = new Http2SessionManager(url);
  const transport = createGrpcTransport({ baseUrl: url, sessionManager, interceptors });
  return {
    users: createClient(UserService, transport),
    orders: createClient(OrderService, transport),
    inventory: createClient(InventoryService, transport),
    // An idle connection would keep this process alive.
    [Symbol.dispose]: () => sessionManager.abort(),
  };
}
