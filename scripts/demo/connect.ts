import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseConfig } from "../../src/config.ts";
import { startServer } from "../../src/server.ts";

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
