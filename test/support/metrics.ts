import type { Shop } from "./shop.ts";

type Labels = Readonly<Record<string, string>>;

/** The sum of a metric's samples that have these labels; undefined where there is none. */
export function sumOf(text: string, name: string, labels: Labels = {}): number | undefined {
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  const samples = text.split("\n").flatMap((line) => {
    const [, told, value] = /^(\w+(?:\{.*\})?) (\S+)$/.exec(line) ?? [];
    if (told?.split("{", 1)[0] !== name) return [];
    return wanted.every((each) => told.includes(each)) ? [Number(value)] : [];
  });
  return samples.length === 0 ? undefined : samples.reduce((sum, value) => sum + value, 0);
}

/** The same of what the admin port at a URL tells. */
export async function readMetrics(url: string, name: string, labels?: Labels): Promise<number | undefined> {
  return sumOf(await (await fetch(`${url}/metrics`)).text(), name, labels);
}

/** The same of a shop. */
export function readMetric(shop: Shop, name: string, labels?: Labels): Promise<number | undefined> {
  return readMetrics(`http://127.0.0.1:${shop.server.admin.port}`, name, labels);
}

/** The connections to the database that are in use, or open. */
export function countConnections(shop: Shop, state?: "used", pool = "primary"): Promise<number | undefined> {
  return readMetric(shop, "db_client_connections", {
    db_client_connection_pool_name: pool,
    ...(state && { db_client_connection_state: state }),
  });
}

/** The calls and streams whose handlers run. */
export function countActive(shop: Shop): Promise<number | undefined> {
  return readMetric(shop, "rpc_server_active_calls");
}
