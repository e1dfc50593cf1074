import type { Connection } from "./service/database.ts";

/** What is called, with the arguments to draw from. */
export type Work =
  | { readonly method: "GetUser"; readonly userIds: readonly string[] }
  | {
      readonly method: "CreateOrder";
      readonly userIds: readonly string[];
      readonly productIds: readonly string[];
      readonly items: number;
      /** Of each item, at most. */
      readonly quantityMax: number;
    }
  /** Moves each order, which is pending, to DELIVERED in three calls. */
  | { readonly method: "UpdateOrderStatus"; readonly orderIds: readonly string[] }
  /** Imports this many new orders of three items in each call. */
  | {
      readonly method: "ImportOrders";
      readonly userIds: readonly string[];
      readonly productIds: readonly string[];
      readonly rows: number;
    }
  /** Adds this many items to the orders in each call. */
  | {
      readonly method: "ImportOrderItems";
      readonly orderIds: readonly string[];
      readonly productIds: readonly string[];
      readonly rows: number;
    }
  | { readonly method: "ListOrders"; readonly pageSize: number; readonly pages: readonly Page[] }
  /** The first page of each user's orders. */
  | { readonly method: "ListOrdersOfUser"; readonly pageSize: number; readonly userIds: readonly string[] };

/** Where a page of a list begins: as a server's token, and as the place that the token stands for. */
export type Page = { readonly token: string; readonly createTime: string; readonly id: string };

/** Who answers: gRPC servers that take calls in turn, or the database itself. */
export type Target =
  | { readonly kind: "grpc"; readonly addresses: readonly string[] }
  | { readonly kind: "engine"; readonly connection: Connection };

/** A stretch of load: callers who each call again as soon as they are answered. */
export type Slice = {
  readonly work: Work;
  readonly target: Target;
  readonly inFlight: number;
  /** Load that is not measured yet. */
  readonly warmMs: number;
  readonly measureMs: number;
  /** Ends the slice before its time. */
  readonly callsMax?: number;
  /** The process whose processor time is read. */
  readonly pid: number;
};

/** What was answered while it was measured. */
export type Measured = {
  readonly seconds: number;
  readonly acknowledged: number;
  /** Answered FAILED_PRECONDITION: a sound answer where stock is short, a failure where it is not. */
  readonly refused: number;
  /** Answered anything else, by code. */
  readonly failed: Readonly<Record<string, number>>;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Processor time of the process of `pid`, and of the process that makes the load. */
  readonly cpuMs: number;
  readonly loadCpuMs: number;
};
