import type { FinalState } from "./final-state.ts";
import {
  callsOf,
  isImport,
  toKind,
  type AddItem,
  type Call,
  type Chunk,
  type Draft,
  type Entry,
  type Import,
  type ItemDraft,
  type Line,
  type Outcome,
} from "./history.ts";

/** What an order was asked to be: its unit prices belong to one call, or one row, only. */
export function toOrderMarker({ userId, reserves, lines }: Draft): string {
  const parts = lines.map(({ productId, quantity, unitPrice }) => [productId, quantity, unitPrice]);
  return JSON.stringify([userId, reserves, parts]);
}

/** What an item was asked to be. */
export function toItemMarker({ orderId, line: { productId, quantity, unitPrice } }: ItemDraft): string {
  return JSON.stringify([orderId, productId, quantity, unitPrice]);
}

/** What the rows of an import were asked to be. */
export function toRowMarkers(request: Import): string[] {
  return request.method === "ImportOrderItems"
    ? request.rows.map(toItemMarker)
    : request.rows.map(toOrderMarker);
}

/**
 * The rows of an attempt of an import, as attempts of calls of their own: so what holds for calls is asked of
 * rows. A row has the outcome that its chunk tells, when it told it. Without a chunk it is unknown, unless
 * the attempt was ended by the service on purpose: then it was not tried.
 */
export function toRowEntries({ returned, request, outcome, chunks, ...head }: Entry): Entry[] {
  if (!isImport(request)) return [];
  const attempt = { ...head, chunks: [] };
  return toRowRequests(request).flatMap((row, n): Entry[] => {
    const index = request.firstIndex + n;
    const chunk = chunks.find(({ firstIndex, lastIndex }) => firstIndex <= index && index <= lastIndex);
    if (chunk)
      return [{ ...attempt, returned: chunk.returned, request: row, outcome: toOutcome(chunk, index) }];
    if (outcome.kind === "failed") return [];
    const { code, reason } = outcome.kind === "ok" ? { code: "Unknown", reason: "a gap" } : outcome;
    return [{ ...attempt, returned, request: row, outcome: { kind: "unknown", code, reason } }];
  });
}

function toRowRequests(
  request: Import,
): (AddItem | ({ requestId: string; method: "CreateOrder" } & Draft))[] {
  const toId = (n: number): string => `${request.requestId}#${request.firstIndex + n}`;
  if (request.method === "ImportOrderItems")
    return request.rows.map((row, n) => ({ ...row, method: "AddItem", requestId: toId(n) }));
  return request.rows.map((row, n) => ({ ...row, method: "CreateOrder", requestId: toId(n) }));
}

const nothing = { users: [], products: [], orders: [], events: [], more: false };

function toOutcome({ refused }: Chunk, index: number): Outcome {
  const refusal = refused.find((row) => row.index === index);
  if (!refusal) return { kind: "ok", ...nothing };
  const { code, reason } = refusal;
  return { kind: toKind(code), code, reason };
}

/** A stored order, taken apart: the lines that it was created with, and the items that were added to it. */
export type Parts = {
  readonly order: FinalState["orders"][number];
  readonly created: readonly Line[];
  readonly added: readonly ItemDraft[];
};

/** Takes the stored orders apart: what was added begins with the first line that some import was to add. */
export function takeApart({ orders }: FinalState, calls: readonly Call[]): Parts[] {
  const prices = new Set(callsOf(calls, "AddItem").map(({ request }) => request.line.unitPrice));
  return orders.map((order) => {
    const first = order.lines.findIndex(({ unitPrice }) => prices.has(unitPrice));
    const count = first === -1 ? order.lines.length : first;
    const added = order.lines.slice(count).map((line) => ({ orderId: order.id, line }));
    return { order, created: order.lines.slice(0, count), added };
  });
}
