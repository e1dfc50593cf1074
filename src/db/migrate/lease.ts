import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { pid } from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import type { Connection } from "../../config.ts";
import { connect } from "../engine/connection.ts";
import { sqlstate } from "../engine/sqlstate.ts";
import { command } from "../engine/statement.ts";

/** The right to migrate a database, which one process at a time has. Disposal gives it back. */
export type MigrationLease = {
  readonly owner: string;
  /** Aborts when the lease is lost; its reason is the Error to fail with. */
  readonly signal: AbortSignal;
  [Symbol.asyncDispose](): Promise<void>;
};

/** Long enough to outlast a failover, short enough to wait for after a runner was killed. */
const leaseMs = 20_000;
/** Two renewals may fail before the lease ends. */
const renewalMs = leaseMs / 4;
const pollMs = 200;

const takeLease = command(
  "lease.take",
  `insert into schema_migrations_lock as l (id, owner, holder, acquire_time, expire_time)
  values (
    1, $1::uuid, $2::text, clock_timestamp(), clock_timestamp() + $3::int8 * interval '1 millisecond'
  )
  on conflict (id) do update
    set owner = excluded.owner, holder = excluded.holder,
        acquire_time = excluded.acquire_time, expire_time = excluded.expire_time
    where l.expire_time < clock_timestamp()
  returning owner`,
);

const renewLease = command(
  "lease.renew",
  `update schema_migrations_lock
  set expire_time = clock_timestamp() + $2::int8 * interval '1 millisecond'
  where id = 1 and owner = $1::uuid and expire_time > clock_timestamp()
  returning owner`,
);

const readHolder = command(
  "lease.holder",
  "select holder, acquire_time as since from schema_migrations_lock where id = 1",
);

const dropLease = command(
  "lease.drop",
  "delete from schema_migrations_lock where id = 1 and owner = $1::uuid",
);

/**
 * Takes the lease, waiting up to `waitMs` for another holder to finish or to be gone for the length of a
 * lease; then fails naming the holder. A row and not an advisory lock, because CockroachDB's advisory locks
 * lock nothing. It is renewed on a connection of its own: a statement that takes minutes must not hold up the
 * renewal.
 */
export async function acquireLease(
  connection: Connection,
  waitMs: number,
  signal?: AbortSignal,
): Promise<MigrationLease> {
  const client = await connect(connection, { purpose: "migration lease", signal });
  try {
    const owner = randomUUID();
    await waitForLease(client, owner, waitMs, signal);
    return keepLease(client, owner);
  } catch (error) {
    await client.end();
    throw error;
  }
}

/**
 * Renews the lease in the transaction of `client`, so that what commits with it was done by the holder; else
 * fails.
 */
export async function expectLease(client: pg.Client, { owner, signal }: MigrationLease): Promise<void> {
  signal.throwIfAborted();
  const { rowCount } = await client.query(renewLease, [owner, leaseMs]);
  if (rowCount !== 1) throw lost();
}

async function waitForLease(
  client: pg.Client,
  owner: string,
  waitMs: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const holder = `process ${pid} on ${hostname()}`;
  for (const end = Date.now() + waitMs; ; await sleep(pollMs)) {
    signal?.throwIfAborted();
    if (await tryLease(client, [owner, holder, leaseMs])) return;
    if (Date.now() < end) continue;
    const { rows } = await client.query<{ holder: string; since: Date }>(readHolder);
    // Given back this moment: take it.
    if (rows[0] === undefined) continue;
    const who = `${rows[0].holder} since ${rows[0].since.toISOString()}`;
    throw new Error(`migrations are being run by ${who}; waited ${waitMs / 1000} s for it to end`);
  }
}

async function tryLease(client: pg.Client, values: readonly unknown[]): Promise<boolean> {
  try {
    return (await client.query(takeLease, [...values])).rowCount === 1;
  } catch (error) {
    // Serialization failure: another process is taking it.
    if (error instanceof pg.DatabaseError && error.code === sqlstate.serializationFailure) return false;
    throw error;
  }
}

function keepLease(client: pg.Client, owner: string): MigrationLease {
  const controller = new AbortController();
  let renewed = Date.now();
  const renew = async () => {
    const asked = Date.now();
    try {
      const { rowCount } = await client.query(renewLease, [owner, leaseMs]);
      if (rowCount === 1) renewed = asked;
      else controller.abort(lost());
    } catch {
      // Tried again while the lease lasts.
      if (Date.now() - renewed > leaseMs) controller.abort(lost());
    }
  };
  const timer = setInterval(() => {
    // A query on a dead connection may never answer.
    if (Date.now() - renewed > leaseMs) controller.abort(lost());
    void renew();
  }, renewalMs);
  return {
    owner,
    signal: controller.signal,
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer);
      // The row expires by itself where it cannot be deleted.
      await client.query(dropLease, [owner]).catch(() => {});
      await client.end();
    },
  };
}

function lost(): Error {
  return new Error(
    "the migration lease was lost to another process or with the connection: run the migrations again",
  );
}
