// The process of a monitor: calls the service as a normal caller does, whatever the attacker keeps busy.
import { readFileSync } from "node:fs";
import * as http from "node:http";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { create, toBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { GetUserRequestSchema } from "../../src/gen/commerce/user/v1/user_service_pb.ts";
import type { Question, Report, Watched } from "./monitor.ts";

/** A caller gives up after as long as the service's own default deadline. */
const DEADLINE_MS = 5_000;
const GET_USER = "/commerce.user.v1.UserService/GetUser";
const CHECK = "/grpc.health.v1.Health/Check";

type Kind = "GetUser" | "GetUser on a new connection" | "health" | "livez" | "readyz";

const durations = new Map<Kind, number[]>();
const failed = new Map<string, number>();
const pending = new Set<Promise<void>>();
const delay = monitorEventLoopDelay({ resolution: 5 });
const resident = { before: 0, peak: 0 };
let begunAt = 0;
let watched: Watched | undefined;

process.on("message", (question: Question) => {
  const answer = (): unknown => process.send!(report());
  if (question === "begin") {
    begin();
    answer();
  } else if (question === "report") {
    // A stall is over when the calls that it holds up are; each has a deadline.
    void Promise.allSettled(pending).then(answer);
  } else {
    watched = question.begin;
    void watch(watched).then(answer);
  }
});

async function watch(service: Watched): Promise<void> {
  const client = connect(service);
  const ask = toAsk(service);
  const get = toGet(service.adminPort);
  const beats: [everyMs: number, kind: Kind, call: () => Promise<string | undefined>][] = [
    [50, "GetUser", () => ask(client, GET_USER)],
    [50, "health", () => ask(client, CHECK)],
    [100, "livez", () => get("/livez")],
    [100, "readyz", () => get("/readyz")],
    [500, "GetUser on a new connection", () => askAnew(service, ask)],
  ];
  await Promise.all(beats.map(([, , call]) => call()));
  delay.enable();
  begin();
  for (const [everyMs, kind, call] of beats) {
    setInterval(() => {
      const measured = measure(kind, call).finally(() => pending.delete(measured));
      pending.add(measured);
    }, everyMs);
  }
  setInterval(sample, 50);
}

function begin(): void {
  begunAt = performance.now();
  durations.clear();
  failed.clear();
  delay.reset();
  resident.before = resident.peak = readResident();
}

/** Calls, and keeps how long it took and how it failed. */
async function measure(kind: Kind, call: () => Promise<string | undefined>): Promise<void> {
  const start = performance.now();
  const failure = await call();
  // What was held up by an earlier attack is not this one's.
  if (start < begunAt) return;
  note(kind, performance.now() - start);
  if (failure !== undefined) {
    const what = `${kind} ${failure}`;
    failed.set(what, (failed.get(what) ?? 0) + 1);
  }
}

function note(kind: Kind, ms: number): void {
  const own = durations.get(kind);
  if (own) own.push(ms);
  else durations.set(kind, [ms]);
}

function report(): Report {
  const longest = (kind: Kind): number => Math.max(0, ...(durations.get(kind) ?? []));
  const sorted = (durations.get("GetUser") ?? []).toSorted((a, b) => a - b);
  const quantile = (share: number): number =>
    sorted[Math.floor((sorted.length - 1) * share)] ?? longest("GetUser");
  return {
    calls: Array.from(durations.values()).reduce((sum, each) => sum + each.length, 0),
    failed: Object.fromEntries(failed),
    stallMs: { health: longest("health"), livez: longest("livez"), readyz: longest("readyz") },
    getUserMs: { p50: quantile(0.5), p99: quantile(0.99) },
    lagMs: delay.max / 1e6,
    resident: { ...resident, now: readResident() },
  };
}

function sample(): void {
  const bytes = readResident();
  resident.peak = Math.max(resident.peak, bytes);
  if (watched && bytes > watched.residentBytesMax) kill(watched.pid);
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

function readResident(): number {
  try {
    const kibi = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${watched!.pid}/status`, "utf8"))?.[1];
    return Number(kibi ?? 0) * 1024;
  } catch {
    return 0;
  }
}

type Ask = (client: grpc.Client, path: string) => Promise<string | undefined>;

/** Calls a method; answers the code's name where it fails. */
function toAsk({ userId, token }: Watched): Ask {
  const request = Buffer.from(toBinary(GetUserRequestSchema, create(GetUserRequestSchema, { id: userId })));
  const metadata = new grpc.Metadata();
  if (token !== undefined) metadata.set("authorization", `Bearer ${token}`);
  const same = (bytes: Buffer): Buffer => bytes;
  return (client, path) =>
    new Promise((resolve) => {
      const body = path === CHECK ? Buffer.of() : request;
      const deadline = Date.now() + DEADLINE_MS;
      client.makeUnaryRequest(path, same, same, body, metadata, { deadline }, (error) =>
        // What the library says of a deadline has another number each time.
        resolve(error ? `${grpc.status[error.code]} ${error.details.replace(/ after .*/, "")}` : undefined),
      );
    });
}

async function askAnew(service: Watched, ask: Ask): Promise<string | undefined> {
  const client = connect(service);
  const failure = await ask(client, GET_USER);
  client.close();
  return failure;
}

function connect({ grpcPort, authority }: Watched): grpc.Client {
  const credentials =
    authority === undefined
      ? grpc.credentials.createInsecure()
      : grpc.credentials.createSsl(Buffer.from(authority));
  return new grpc.Client(`127.0.0.1:${grpcPort}`, credentials, {
    // Else clients of one address share a connection.
    "grpc.use_local_subchannel_pool": 1,
    ...(authority !== undefined && { "grpc.ssl_target_name_override": "localhost" }),
  });
}

/** Asks the admin port, on a connection for each probe; answers what is wrong with the answer. */
function toGet(port: number): (path: string) => Promise<string | undefined> {
  return (path) =>
    new Promise((resolve) => {
      const request = http.get(
        { host: "127.0.0.1", port, path, agent: false, timeout: DEADLINE_MS },
        (response) => {
          response.resume();
          response.on("end", () =>
            resolve(response.statusCode === 200 ? undefined : `${response.statusCode}`),
          );
        },
      );
      request.on("timeout", () => request.destroy(new Error("timeout")));
      request.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    });
}
