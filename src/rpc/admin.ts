import { createServer } from "node:http";
import type { Address } from "../config.ts";
import type { Readiness } from "./health.ts";
import { listen } from "./listen.ts";

/** The listener of operators. Disposing closes it. */
export type AdminDoor = AsyncDisposable & { readonly address: Address };

type Answer = { readonly status: number; readonly contentType: string; readonly body: string };

/**
 * Serves GET /livez (200 while the process answers), /readyz (200 or 503 and why) and /metrics (Prometheus'
 * text). Has no authentication: it is to listen where only operators reach it.
 */
export async function startAdminDoor(options: {
  readonly address: Address;
  readonly readiness: () => Readiness;
  readonly scrape: () => Promise<{ readonly contentType: string; readonly body: string }>;
}): Promise<AdminDoor> {
  const answer = async (path: string | undefined): Promise<Answer> => {
    if (path === "/livez") return toJson(200, { live: true });
    if (path === "/readyz") {
      const { serving, reason } = options.readiness();
      return toJson(serving ? 200 : 503, reason ? { ready: serving, reason } : { ready: serving });
    }
    if (path === "/metrics") return { status: 200, ...(await options.scrape()) };
    return toJson(404, { error: "not found: there are /livez, /readyz and /metrics" });
  };
  const server = createServer((request, response) => {
    const reads = request.method === "GET" || request.method === "HEAD";
    const path = reads ? request.url?.split("?", 1)[0] : undefined;
    void answer(path)
      .catch(() => toJson(500, { error: "internal error" }))
      .then(({ status, contentType, body }) =>
        response.writeHead(status, { "content-type": contentType }).end(body),
      );
  });
  const address = await listen(server, options.address, "ADMIN_ADDR");
  return {
    address,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

function toJson(status: number, value: object): Answer {
  return { status, contentType: "application/json", body: `${JSON.stringify(value)}\n` };
}
