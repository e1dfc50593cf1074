import { parseArgs } from "node:util";
import type { Size } from "./plan.ts";

const options = {
  url: { type: "string" },
  own: { type: "boolean", default: false },
  "flash-sale": { type: "boolean", default: false },
  rolling: { type: "boolean", default: false },
  orders: { type: "string", default: "2000" },
  concurrency: { type: "string" },
  users: { type: "string", default: "40" },
  products: { type: "string" },
  seed: { type: "string", default: "1" },
  write: { type: "string" },
  help: { type: "boolean", default: false },
} as const;

/** The output of --help. */
export const help = `npm run demo -- [options]

  --url URL          a running service, such as http://127.0.0.1:50051; also DEMO_URL.
                     Without it the one that runs there, or else one of the demo's own
  --own              starts a service of its own in any case, on free ports and in a directory that it removes
  --flash-sale       sell a few scarce products out: crowds of 64, 128, 256 and 512 callers, one after the
                     other, each with products of its own, ask piece by piece for twice what there is
  --rolling          restart three replicas of its own behind a balancer, while grpc-js makes 200 calls a
                     second, without retries, and a stream of orders goes on; takes no other options
  --orders N         orders to place (2000); in a flash sale, the pieces that a crowd finds
  --concurrency N    calls at a time (32); in a flash sale, those of the last crowd (512): the three before it
                     have an eighth, a quarter and half as many
  --users N          users who buy (40)
  --products N       products to sell, a few of them popular and a few scarce (200); in a flash sale, those of
                     a crowd (10)
  --seed N           decides who buys what (1)
  --write FILE       place no orders: create users and products on the server of --url, and write the orders
                     to a file for npm run import

Exit code 1 if a check fails, 2 if an option cannot be read.`;

/** The options of the command line. */
export type Options = {
  readonly size: Size;
  readonly concurrency: number;
  readonly url: string | undefined;
  /** Whether to start a service in any case. */
  readonly isOwn: boolean;
  readonly isFlashSale: boolean;
  readonly isRolling: boolean;
  readonly write: string | undefined;
};

/** Reads the command line; throws an error of one line if it is invalid. */
export function readOptions(): Options | "help" {
  const { values } = parseArgs({ options });
  if (values.help) return "help";
  const url = values.url ?? process.env["DEMO_URL"];
  if (url !== undefined && !URL.canParse(url)) throw new Error("--url (or DEMO_URL) takes a URL");
  const isFlashSale = values["flash-sale"];
  const { own: isOwn, rolling: isRolling } = values;
  if (isOwn && values.url !== undefined) throw new Error("--own and --url exclude each other");
  if (isRolling && (isFlashSale || values.write !== undefined || values.url !== undefined))
    throw new Error("--rolling starts what it needs, and takes no other options");
  if (values.write !== undefined && url === undefined) throw new Error("--write needs --url");
  if (values.write !== undefined && isFlashSale)
    throw new Error("--write places no orders, --flash-sale does");
  const [products, concurrency] = isFlashSale ? ["10", "512"] : ["200", "32"];
  const size: Size = {
    orders: toCount("orders", values.orders),
    users: toCount("users", values.users),
    products: toCount("products", values.products ?? products),
    seed: toCount("seed", values.seed),
  };
  return {
    size,
    concurrency: toCount("concurrency", values.concurrency ?? concurrency),
    url,
    isOwn,
    isFlashSale,
    isRolling,
    write: values.write,
  };
}

function toCount(name: string, text: string): number {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 1) throw new Error(`--${name} takes a whole number above zero`);
  return count;
}
