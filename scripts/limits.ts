// The limits of the service as tables: for docs/limits.md and for `npm run explain -- --limits`.
import type { DescMethod } from "@bufbuild/protobuf";
import { type Bound, bounds } from "../src/bounds.ts";
import { type Name, names, variables } from "../src/config/environment.ts";
import { InventoryService } from "../src/gen/commerce/inventory/v1/inventory_service_pb.ts";
import { OrderService } from "../src/gen/commerce/order/v1/order_service_pb.ts";
import { UserService } from "../src/gen/commerce/user/v1/user_service_pb.ts";
import { limitsOf, requestBytesMaxOf } from "../src/rpc/limits.ts";
import { parseConfig } from "../src/config.ts";

/** A table: its title, the names of its columns and its rows. */
export type Table = {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
};

/** The variables that set limits, by their prefixes. */
const LIMITING = /^(CALL|STREAM|POOL|CONNECTIONS|LOGIN)_(?!COALESCE)/;

/** All limits: fixed, configurable, and per method. */
export function limitTables(): Table[] {
  return [
    {
      title: "Fixed bounds",
      columns: ["bound of", "at most", "answer", "why so much"],
      rows: Object.values<Bound>(bounds).map((bound) => [
        bound.what,
        toAmount(bound),
        bound.reason ?? "",
        bound.why,
      ]),
    },
    {
      title: "Configured bounds",
      columns: ["variable", "default", "meaning"],
      rows: names
        .filter((name) => LIMITING.test(name))
        .map((name) => [name, defaultOf(name), meaningOf(name)]),
    },
    { title: "Methods", columns: ["method", "request", "deadline", "longest", "idle"], rows: methodRows() },
  ];
}

/** Formats a bound with its unit if it is in bytes or milliseconds. */
function toAmount({ what, max }: Bound): string {
  if (what.startsWith("bytes")) return toBytes(max);
  return what.startsWith("milliseconds") ? toSeconds(max) : max.toLocaleString("en");
}

function toBytes(bytes: number): string {
  if (bytes >= 2 ** 20) return `${bytes / 2 ** 20} MiB`;
  return bytes >= 2 ** 10 ? `${bytes / 2 ** 10} KiB` : `${bytes}`;
}

function toSeconds(ms: number): string {
  return ms === Infinity ? "none" : `${ms / 1_000} s`;
}

function defaultOf(name: Name): string {
  const schema = variables.shape[name];
  const fallback = schema.meta()?.["fallback"];
  if (typeof fallback === "string") return fallback;
  return schema.type === "prefault" ? schema.def.defaultValue : "";
}

function meaningOf(name: Name): string {
  return variables.shape[name].description ?? "";
}

/** The limits of a method with the default configuration: of its requests and of its time. */
export function limitsOfMethod(
  method: DescMethod,
): Readonly<Record<"request" | "deadline" | "longest" | "idle", string>> {
  const { calls } = parseConfig({});
  const { deadlineMsDefault, deadlineMsMax, idleMsMax } = limitsOf(method, calls);
  return {
    request: toBytes(requestBytesMaxOf(method, calls)),
    deadline: toSeconds(deadlineMsDefault),
    longest: toSeconds(deadlineMsMax),
    idle: toSeconds(idleMsMax),
  };
}

function methodRows(): string[][] {
  return [UserService, OrderService, InventoryService].flatMap(({ methods }) =>
    methods.map((method) => [method.name, ...Object.values(limitsOfMethod(method))]),
  );
}
