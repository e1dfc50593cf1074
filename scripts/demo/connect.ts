import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createCommerceClient } from "../../client/src/grpc.ts";
import { parseConfig } from "../../src/config.ts";
import { startServer } from "../../src/server.ts";

/** Where `npm start` serves gRPC. */
const usualUrl = "http://127.0.0.1:50051";
const answerMsMax = 500;

type Opened = AsyncDisposable & { readonly url: string };

/**
 * Opens the service at a URL or, without one, that which runs where `npm start` serves; where there is none,
 * or the demo is to have its own, a temporary one on free ports. Says which it is.
 */
export async function openServer({
  url,
  isOwn,
}: {
  readonly url: string | undefined;
  readonly isOwn: boolean;
}): Promise<Opened> {
  if (url !== undefined) return { url, [Symbol.asyncDispose]: async () => {} };
  if (!isOwn && (await isRunning(usualUrl))) {
    console.log("using the service that runs here; --own starts another one for the demo");
    return { url: usualUrl, [Symbol.asyncDispose]: async () => {} };
  }
  console.log("starting a service for the demo, on free ports and in a directory that it removes");
  return startOwn();
}

/** Whether a service of ours answers, without authentication. */
async function isRunning(url: string): Promise<boolean> {
  using shop = createCommerceClient({ baseUrl: url, retry: false });
  const page = shop.users.listUsers({ pageSize: 1 }, { timeoutMs: answerMsMax });
  return await page.then(
    () => true,
    () => false,
  );
}

async function startOwn(): Promise<Opened> {
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
