import { once } from "node:events";
import * as http2 from "node:http2";
import { expect, test } from "vitest";
import { startListeners } from "./support/listeners.ts";

test.each(["grpc", "http"] as const)(
  "a connection may have 128 calls open, says the %s port",
  async (port) => {
    await using listeners = await startListeners();
    const session = http2.connect(`http://127.0.0.1:${listeners[port].address.port}`);

    const [settings] = (await once(session, "remoteSettings")) as [http2.Settings];
    session.destroy();

    expect(settings.maxConcurrentStreams).toBe(128);
  },
);
