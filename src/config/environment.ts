import { z } from "zod";
import { choice, duration, hourMs, integer, kibi, mebi, minuteMs, secondMs, size } from "./parsers.ts";
import { cockroach } from "./cockroach.ts";
import { ports } from "./ports.ts";
import { secretFiles } from "./secret-files.ts";
import { telemetry } from "./telemetry.ts";
import { trust } from "./trust.ts";
import { workers } from "./workers.ts";
import { keysOf } from "../lists.ts";

/**
 * Every variable that the service reads: the only place of its name, type, default and meaning, from which
 * docs/configuration.md is generated. Defaults are written, and parsed, like an operator's values.
 */
export const variables = z.object({
  ...ports,

  ...workers,

  DATA_DIR: z
    .string()
    .prefault(".data")
    .describe("The directory of the embedded PostgreSQL, which runs if no database is configured."),
  DATABASE_URL: z
    .string()
    .optional()
    .meta({
      secret: true,
      description:
        "A database: `postgres://user:password@host:port/database`, or `postgresql://`, `cockroachdb://`, " +
        "with `sslmode`, `sslrootcert` (a file, or `system`), `sslcert`, `sslkey`, `channel_binding`, " +
        "`options` and `host` (a socket's directory) as parameters. The default `sslmode` is `verify-full` " +
        "for other machines and `disable` for this one. `cockroachdb://` takes several hosts. " +
        "`PG*` variables are not read.",
    }),
  DATABASE_REPLICA_URL: z
    .string()
    .optional()
    .meta({
      secret: true,
      fallback: "the database itself",
      description:
        "Where calls read that ask for `STALE`: a standby of PostgreSQL, or other nodes of CockroachDB, " +
        "in the form of `DATABASE_URL`. A start waits for it as for the database.",
    }),
  ...secretFiles,

  DATABASE_ENGINE: choice("auto", "postgresql", "cockroachdb")
    .prefault("auto")
    .describe("The engine that the database must be; a start refuses any other. `auto` accepts either."),
  // Compose and Kubernetes have a database up within seconds; a supervisor that sees the start fail waits
  // longer before each retry.
  DATABASE_WAIT_MAX: duration(0, hourMs)
    .prefault("30s")
    .describe(
      "How long a start waits for a database that is away. A wrong password, name or engine ends it at once.",
    ),
  MIGRATE: choice("apply", "check", "off")
    .prefault("apply")
    .describe(
      "What a start does about missing migrations: `apply` them, `check` and fail naming them, or ignore " +
        "them (`off`): readiness then names the first missing one. " +
        "Without the table of secrets no start succeeds.",
    ),

  ...cockroach,

  // The tutorial's number. CockroachDB performs best with about 4 active connections per vCPU of the cluster.
  CRDB_MAX_CONNS: integer(1, 1000)
    .prefault("25")
    .describe(
      "Connections to the database, without two for readiness; 4 × vCPUs of the cluster over all replicas. " +
        "Where calls ask for `STALE`, as many again for these.",
    ),
  CRDB_MIN_CONNS: integer(0, 1000)
    .prefault("5")
    .describe("Connections to keep open when idle, at most `CRDB_MAX_CONNS`."),
  // CockroachDB recommends 5 to 30 minutes, starting with 5, and the same for idle connections, so that
  // connections spread to nodes that have joined.
  CRDB_MAX_CONN_LIFETIME: duration(secondMs, 24 * hourMs)
    .prefault("5m")
    .describe("A connection is replaced at this age (some a little earlier, so that not all go at once)."),
  CRDB_MAX_CONN_IDLE_TIME: duration(secondMs, 24 * hourMs)
    .prefault("5m")
    .describe("A connection beyond `CRDB_MIN_CONNS` is closed after being idle this long."),
  // As many as calls in flight: that limit is met first, this one bounds work that is not a call.
  POOL_QUEUE_MAX: integer(0, 100_000)
    .prefault("1024")
    .describe("Calls that may wait for a connection; more are answered RESOURCE_EXHAUSTED."),
  // A fifth of the default deadline: the caller learns of the overload while it can still try elsewhere.
  POOL_WAIT_MAX: duration(1, minuteMs)
    .prefault("1s")
    .describe("How long a call waits for a connection before it is answered RESOURCE_EXHAUSTED."),

  // An idle HTTP/2 connection takes 21 kB, 77 kB with TLS: 2,048 on each port take up to 300 MiB.
  CONNECTIONS_MAX: integer(1, 100_000)
    .prefault("2048")
    .describe(
      "Connections of the gRPC port, and of the HTTP port, lowered if file descriptors are few. A new " +
        "connection above it replaces the one that has been idle longest.",
    ),
  // Half, so that one peer cannot take all.
  CONNECTIONS_PEER_MAX: integer(1, 100_000)
    .prefault("1024")
    .describe(
      "Connections of a port from one address. Behind a load balancer that hides the callers' addresses, " +
        "set it to `CONNECTIONS_MAX`.",
    ),

  // At 4,000 calls per second the last of 1024 waits a quarter of a second, which is far from its deadline.
  CALL_IN_FLIGHT_MAX: integer(1, 100_000)
    .prefault("1024")
    .describe(
      "Calls in flight; more are answered RESOURCE_EXHAUSTED. One caller has at most as many as it " +
        "leaves to the others.",
    ),
  // Each stream may hold a few thousand rows: one chunk in the database and one ahead.
  STREAM_IN_FLIGHT_MAX: integer(1, 100_000)
    .prefault("256")
    .describe("Streams in flight, counted apart from calls and shared like them."),
  // gRPC's default in every language, so that client and server agree unless both are configured.
  CALL_MESSAGE_MAX: size(kibi, 64 * mebi)
    .prefault("4MiB")
    .describe(
      "The largest message that is sent, and that is read if the contract allows it " +
        "(`max_request_bytes`); imports in one request have up to 16 MiB.",
    ),
  // A call takes milliseconds; 5 s outlives the retries of a database node that restarts.
  CALL_DEADLINE_DEFAULT: duration(10, hourMs)
    .prefault("5s")
    .describe("The deadline of a call if the caller set none; for streams see `STREAM_*`."),
  CALL_DEADLINE_MAX: duration(10, hourMs)
    .prefault("60s")
    .describe("The longest deadline; a longer one is shortened to it."),
  // The contract has these for each streaming method: an import takes longer than a call.
  STREAM_DEADLINE_DEFAULT: duration(10, 24 * hourMs)
    .optional()
    .meta({
      fallback: "as the contract has it",
      description: "The deadline of a stream that has one by contract, an import, if the caller set none.",
    }),
  STREAM_DEADLINE_MAX: duration(10, 24 * hourMs)
    .optional()
    .meta({
      fallback: "as the contract has it",
      description:
        "The longest deadline of a stream that has one by contract; a longer one is shortened to it.",
    }),
  STREAM_IDLE_MAX: duration(100, 24 * hourMs)
    .optional()
    .meta({
      fallback: "as the contract has it",
      description: "How long a stream without a deadline, such as IngestOrders, may wait for its caller.",
    }),

  // A caller that repeats a call does so within minutes; a day outlives an outage that is mended by hand. The
  // most fits into an int4 of milliseconds.
  REFUSAL_RETENTION: duration(minuteMs, 20 * 24 * hourMs)
    .prefault("24h")
    .describe(
      "How long a call that was refused is refused again when it is repeated with its `request_id`. " +
        "Longer than any caller goes on repeating a call.",
    ),
  CALL_COALESCE: choice("true", "false")
    .prefault("true")
    .describe("Whether calls that arrive together share round trips; `false` is for measuring."),

  // Users mistype a password two or three times.
  LOGIN_ATTEMPTS_MAX: integer(0, 100)
    .prefault("5")
    .describe(
      "Failed attempts to authenticate with one email before the next one has to wait: a second, then " +
        "twice as long each time. 0 switches all limits of attempts off.",
    ),
  // Some hundred guesses a day. A longer delay would hardly slow guessing, but would lock out the account's
  // owner.
  LOGIN_DELAY_MAX: duration(secondMs, hourMs)
    .prefault("15m")
    .describe("The longest wait between two attempts."),
  // Five a second: far above mistyping, and a sixth of what one core can check.
  LOGIN_CALLER_FAILURES_MAX: integer(0, 1_000_000)
    .prefault("300")
    .describe(
      "Failed attempts per minute of one authenticated caller, over all emails and replicas; above it " +
        "all of its attempts wait for the minute's end. 0 switches this limit off.",
    ),

  SHUTDOWN_DRAIN: duration(0, 10 * minuteMs)
    .optional()
    .meta({
      fallback: "0s on loopback, else 5s",
      description: "After SIGTERM, how long calls are still accepted while health says NOT_SERVING.",
    }),
  // Twice the default deadline; together with the drain it stays below Kubernetes' 30 s before SIGKILL.
  SHUTDOWN_GRACE: duration(0, hourMs)
    .prefault("10s")
    .describe(
      "After the drain, how long calls in flight may take to finish. Without any, the stop is immediate.",
    ),

  ...telemetry,

  ...trust,
});

/** The variables' parsed values: durations in milliseconds, sizes in bytes. */
export type Values = z.output<typeof variables>;

/** The name of a variable. */
export type Name = keyof Values;

/** The variables' names, in the order of the documentation. */
export const names = keysOf(variables.shape);
