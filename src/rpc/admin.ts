import { createServer } from "node:http";
import { bounds } from "../bounds.ts";
import type { Address } from "../config.ts";
import { startFront } from "./front.ts";
import type { Readiness } from "./health.ts";
import { HTTP1_OPTIONS, watchRequests } from "./http1.ts";
import { type Refused, refuseBytes } from "./refusals.ts";
import { shareScrapes } from "./scrapes.ts";
import { toRefusal } from "./status.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";

/** The listener for operators. Disposing closes it. */
export type AdminListener = AsyncDisposable & {
  readonly address: Address;
  /** Open connections. */
  readonly connections: () => number;
};

type Answer = { readonly status: number; readonly contentType: string; readonly body: string };

/**
 * Serves GET /livez (200 while the process answers), /readyz (200, or 503 with the reason) and /metrics
 * (Prometheus' text). It has no authentication and must be reachable by operators only.
 */
export async function startAdminListener(options: {
  readonly address: Address;
  readonly readiness: () => Readiness;
  readonly scrape: Telemetry["scrape"];
  readonly refused: Telemetry["refused"];
}): Promise<AdminListener> {
  const refused: Refused = (error) => options.refused("admin", error);
  const answerScrape = boundScrapes(shareScrapes(options.scrape), refused);
  const answer = async (path: string | undefined): Promise<Answer> => {
    if (path === "/livez") return toJson(200, { live: true });
    if (path === "/readyz") {
      const { serving, reason } = options.readiness();
      return toJson(serving ? 200 : 503, reason ? { ready: serving, reason } : { ready: serving });
    }
    if (path === "/metrics") return answerScrape();
    return toJson(404, { error: "not found: try /livez, /readyz or /metrics" });
  };
  const server = createServer(HTTP1_OPTIONS, (request, response) => {
    const reads = request.method === "GET" || request.method === "HEAD";
    const path = reads ? request.url?.split("?", 1)[0] : undefined;
    void answer(path)
      .catch(() => toJson(500, { error: "internal error" }))
      .then(({ status, contentType, body }) =>
        response.writeHead(status, { "content-type": contentType }).end(body),
      );
  });
  // Covers peers that do not read their answer, too.
  server.setTimeout(bounds.adminIdleMs.max);
  const requests = watchRequests(server);
  const { max } = bounds.adminConnections;
  const at = {
    address: options.address,
    name: "ADMIN_ADDR",
    connections: { max, peerMax: max },
    refused,
  } as const;
  const front = await startFront(at, (socket, protocol, connection) => {
    if (protocol === "http/1.1") return requests.accept(socket, connection);
    const error = toRefusal("NEEDS_HTTP1", "this port speaks HTTP/1.1, without TLS");
    return refuseBytes(socket, 400, error, refused);
  });
  return {
    address: front.address,
    connections: front.connections,
    async [Symbol.asyncDispose]() {
      await front.shut();
      front.destroy();
      server.close();
      await front.close(0);
    },
  };
}

/** Refuses requests above the bound of those that wait for a scrape. */
function boundScrapes(scrape: Telemetry["scrape"], refused: Refused): () => Promise<Answer> {
  let waiting = 0;
  return async () => {
    if (waiting >= bounds.scrapesWaiting.max) {
      refused(toRefusal(bounds.scrapesWaiting.reason, TOO_MANY_SCRAPES));
      return toJson(503, { error: TOO_MANY_SCRAPES });
    }
    waiting += 1;
    try {
      return { status: 200, ...(await scrape()) };
    } finally {
      waiting -= 1;
    }
  };
}

const TOO_MANY_SCRAPES = "too many requests wait for the metrics";

function toJson(status: number, value: object): Answer {
  return { status, contentType: "application/json", body: `${JSON.stringify(value)}\n` };
}
