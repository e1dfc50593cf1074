// Drives the service like a caller and checks the result by reading it back: `npm run demo`.
import { styleText } from "node:util";
import pLimit from "p-limit";
import type { Check } from "./demo/audit.ts";
import { createCommerceClient } from "../client/src/grpc.ts";
import { openServer } from "./demo/connect.ts";
import { runFlashSale } from "./demo/flash-sale.ts";
import { help, type Options, readOptions } from "./demo/options.ts";
import { runUntilEnded } from "./endings.ts";
import { createEach } from "./demo/shop.ts";
import { runRolling } from "./demo/rolling.ts";
import { runTrade } from "./demo/trade.ts";
import { writeOrders } from "./demo/write.ts";

const asked = readOrExit();
try {
  process.exitCode = asked === "help" ? printHelp() : await main(asked);
} catch (error) {
  console.error(`the demo stopped: ${toMessage(error)}`);
  process.exitCode = 1;
}

async function main(options: Options): Promise<number> {
  const { size, concurrency, isFlashSale, isRolling, write } = options;
  if (isRolling) return runUntilEnded(async (signal) => report(await runRolling(process.stdout, signal)));
  await using server = await openServer(options);
  if (isFlashSale) return report(await runFlashSale(server.url, size, concurrency, process.stdout));
  const each = createEach(pLimit(concurrency), process.stdout);
  if (write === undefined) return report(await runTrade(server.url, size, each));
  using shop = createCommerceClient({ baseUrl: server.url });
  await writeOrders(shop, size, each, write);
  console.log(`${write}: ${size.orders} orders; npm run import -- --url ${server.url} ${write}`);
  return 0;
}

/** Reads the command line; exits with 2 if it is invalid. */
function readOrExit(): Options | "help" {
  try {
    return readOptions();
  } catch (error) {
    console.error(`${toMessage(error)}; --help lists the options`);
    return process.exit(2);
  }
}

function printHelp(): number {
  console.log(help);
  return 0;
}

function toMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function report(checks: readonly Check[]): number {
  for (const { promise, violations } of checks) {
    const word = violations.length === 0 ? styleText("green", "ok    ") : styleText("red", "FAILED");
    console.log(`${word}  ${promise}`);
    for (const violation of violations.slice(0, 5)) console.error(`        ${violation}`);
    if (violations.length > 5) console.error(`        and ${violations.length - 5} more`);
  }
  return checks.every(({ violations }) => violations.length === 0) ? 0 : 1;
}
