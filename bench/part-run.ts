// The service's functions that a GetUser and a page of orders go through, before a database that answers at
// once.
import { createSecretKey } from "node:crypto";
import { create, type DescMethod, type Message, toBinary } from "@bufbuild/protobuf";
import { bindPart } from "./contestant.ts";
import { repeat, repeatInCrowds, repeatLater } from "./processor-time.ts";
import {
  GetUserRequestSchema,
  ListOrdersRequestSchema,
  OrderService,
  UserService,
} from "./service/contract.ts";
import type { Database, User } from "./service/database.ts";
import {
  type Call,
  createBatcher,
  createInFlightLimit,
  createLifetimes,
  createReceipt,
  createRequestReader,
  encode,
  type Incoming,
  limitsOf,
  orderService,
} from "./service/parts.ts";
import {
  type Batchers,
  type Config,
  createAuthenticator,
  CallId,
  createPages,
  createPasswords,
  createPipeline,
  createRequestValidator,
  createTelemetry,
  userService,
} from "./service/server.ts";

const callers = 64;
export const pageSize = 50;

/** The parts of both methods, ready to be measured. */
export async function createRun(config: Config, user: User, orders: readonly unknown[]) {
  const key = { period: 0, key: createSecretKey(Buffer.alloc(32)) };
  const pages = createPages({ current: () => key, find: async () => key.key });
  const { getUser, listOrders } = createMethods(user, orders, pages);
  const bindings = [bindPart(UserService, { getUser }), bindPart(OrderService, { listOrders })];
  const toParts = await createPartsOf(config, bindings);
  const scope = ["ListOrders", "", ""];
  const cursor = { createTime: user.createTime, id: user.id };
  const token = pages.toToken(cursor, scope);
  const one = create(GetUserRequestSchema, { id: user.id });
  const page = create(ListOrdersRequestSchema, { pageSize, pageToken: token });
  const asked = Array.from({ length: callers }, toCall);
  const bounds = { batches: 2, requestsMax: 256 };
  const batcher = createBatcher(async (ids: readonly string[]) => ids.map(() => user), bounds);
  return {
    getUser: await toParts(UserService.method.getUser, one, (call) => getUser(one, call)),
    listOrders: await toParts(OrderService.method.listOrders, page, (call) => listOrders(page, call)),
    batch: repeatInCrowds(callers, (n) => batcher(user.id, asked[n]!)),
    verify: repeatLater(() => pages.parse(token, scope)),
    sign: repeat(() => pages.toToken(cursor, scope)),
  };
}

function createMethods(user: User, orders: readonly unknown[], pages: ReturnType<typeof createPages>) {
  const batchers = { getUser: async () => user, run: () => async () => orders } as unknown as Batchers;
  const database = {} as Database;
  const parts = { batchers, sources: { strong: batchers, stale: batchers }, pages };
  const logins = { begin: () => Promise.reject(new Error("there are no logins here")) };
  const { getUser } = userService(database, { ...parts, passwords: createPasswords(), logins });
  const { listOrders } = orderService(database, parts);
  return { getUser, listOrders };
}

async function createPartsOf(config: Config, bindings: Parameters<typeof createPipeline>[0]) {
  const { calls } = config;
  const telemetry = await createTelemetry(config.telemetry);
  const authenticate = createAuthenticator(config.auth);
  const validator = createRequestValidator();
  const { methods } = createPipeline(bindings, { calls, authenticate, telemetry, validator });
  // The pipeline has registered the metrics of its own limit in the first one.
  const inFlight = createInFlightLimit(calls, await createTelemetry(config.telemetry));
  const [receipt, begin, connection] = [createReceipt(), createLifetimes(), {}];

  return async (desc: DescMethod, request: Message, serve: (call: Call) => object | Promise<object>) => {
    const bytes = toBinary(desc.input, request);
    const reader = createRequestReader(desc);
    const observer = telemetry.observe(desc, false);
    const method = { observer, limits: limitsOf(desc, calls) };
    const occupant = { desc, infrastructure: false };
    const call = toCall();
    const answer = { ...(await serve(call)) };
    const { handler } = methods.find((each) => each.desc === desc)!;
    if (handler.answers !== "once") throw new Error(`${desc.name} answers a stream`);
    return {
      decode: repeat(() => reader.readBinary(bytes)),
      validate: repeat(() => validator.check(desc.input, request)),
      live: repeat(() => begin(method, toIncoming(bytes, connection)).succeed()),
      observe: repeat(() => observer(toIncoming(bytes, connection)).end()),
      admit: repeat(() => {
        using hold = receipt.open(connection);
        using _ = inFlight.take(occupant, connection);
        hold.add(bytes.length);
      }),
      serve: repeatLater(async () => serve(call)),
      encode: repeat(() => encode(desc.output, answer)),
      whole: repeatLater(async () => encode(desc.output, await handler.call(toIncoming(bytes, connection)))),
    };
  };
}

const noHeader = (): null => null;

function toCall(): Call {
  const { signal } = new AbortController();
  const about = { principal: "anonymous", holder: {}, refusalMs: 0, deadlineMs: Date.now() + 3_600_000 };
  return { ...about, signal, draining: signal, rowsOf: () => [], working: (work) => work };
}

function toIncoming(bytes: Uint8Array, connection: object): Incoming {
  const now = Date.now();
  return {
    listener: "grpc",
    header: noHeader,
    callId: new CallId(noHeader),
    arrivedMs: now,
    deadlineMs: Infinity,
    controller: new AbortController(),
    connection,
    body: { format: "binary", one: async () => ({ bytes }), many: async function* () {} },
    hasRoom: () => true,
  };
}
