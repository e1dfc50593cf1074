import pg from "pg";
import type { Proxy } from "./proxy.ts";

export async function open(proxy: Proxy): Promise<pg.Client> {
  const client = new pg.Client(proxy.connection);
  client.on("error", () => {});
  await client.connect();
  return client;
}

/** Writes a mark, under a statement's name. */
export function mark(client: pg.Client, name: string): Promise<string | undefined> {
  const text = "insert into marks (name) values ($1)";
  return settle(client.query({ name: "mark", text, values: [name] }));
}

/** "ok", or the SQLSTATE or errno of what failed. */
export function settle(work: Promise<unknown>): Promise<string | undefined> {
  return work.then(
    () => "ok",
    (error: { code?: string }) => error.code,
  );
}

export function untilEnd(client: pg.Client): Promise<unknown> {
  return new Promise((resolve) => client.once("end", resolve));
}
