import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { choose, price } from "./calls.ts";
import { readCpuMs, readResidentMiB } from "./cpu.ts";
import type { Plan } from "./plan.ts";
import { type Result, round } from "./results.ts";
import { createProducts } from "./rows.ts";
import { OrderService, StockPolicy } from "./service/contract.ts";
import type { Stage } from "./stage.ts";

/** How many MiB the service's memory moves within, after the first fifth of the stream. */
export type IngestResult = Result & { readonly residentMiB: number; readonly spreadMiB: number };

/** An order and nine items are ten rows. */
const rowsPerOrder = 10;
const ordersPerMessage = 200;
/** A reader who takes this long for each answer, and in the middle of the stream takes none for a while. */
const slowReaderMs = 100;
const stopMs = 10_000;
const lookEveryMs = 100;

/** Streams orders into the service as fast as it takes them, to a fast reader and to a slow one. */
export async function runIngest(stage: Stage, { scale }: Plan): Promise<IngestResult[]> {
  const productIds = await createProducts(stage, 1_000, 0);
  const orders = Math.ceil((1_000_000 * scale) / rowsPerOrder);
  return [
    await ingest(stage, "ingest-fast-reader", orders, productIds, 0),
    await ingest(stage, "ingest-slow-reader", orders, productIds, slowReaderMs),
  ];
}

async function ingest(
  stage: Stage,
  row: string,
  orders: number,
  productIds: readonly string[],
  readerMs: number,
): Promise<IngestResult> {
  const { pid, grpc } = await stage.server("service");
  const client = createClient(OrderService, createGrpcTransport({ baseUrl: `http://${grpc}` }));
  const resident: number[] = [];
  const look = setInterval(() => resident.push(readResidentMiB(pid)), lookEveryMs);
  const [startMs, startCpuMs] = [performance.now(), readCpuMs(pid)];
  let inserted = 0;
  let stopped = readerMs === 0;
  for await (const { answer } of client.ingestOrders(toMessages(stage, orders, productIds))) {
    if (answer.case === "chunk" && readerMs > 0) await sleep(readerMs);
    if (answer.case === "chunk" && !stopped && answer.value.lastIndex > orders / 2) {
      stopped = true;
      await sleep(stopMs);
    }
    if (answer.case === "summary") inserted = Number(answer.value.insertedCount);
  }
  clearInterval(look);
  const seconds = (performance.now() - startMs) / 1_000;
  const settled = resident.slice(Math.floor(resident.length / 5));
  return {
    row,
    contestant: "ours",
    inFlight: 1,
    perSecond: round((rowsPerOrder * inserted) / seconds, 1),
    acknowledged: inserted,
    refused: 0,
    failed: orders - inserted,
    p50Ms: 0,
    p99Ms: 0,
    cpuMsPerCall: round((readCpuMs(pid) - startCpuMs) / orders, 3),
    residentMiB: round(Math.max(...settled), 1),
    spreadMiB: round(Math.max(...settled) - Math.min(...settled), 1),
  };
}

async function* toMessages(stage: Stage, orders: number, productIds: readonly string[]) {
  const line = () => ({ productId: choose(productIds), quantity: 1, unitPrice: price });
  for (let sent = 0; sent < orders; sent += ordersPerMessage) {
    const drafts = Array.from({ length: Math.min(ordersPerMessage, orders - sent) }, () => ({
      userId: choose(stage.userIds),
      stockPolicy: StockPolicy.NONE,
      items: Array.from({ length: rowsPerOrder - 1 }, line),
    }));
    yield { orders: drafts };
  }
}
