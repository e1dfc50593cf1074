import { randomBytes } from "node:crypto";
import type { Connection, Engine } from "../../config.ts";
import { createDatabase } from "../engine/database.ts";
import { findPending, readMigrations, selectApplied, type AppliedRow } from "./migration-files.ts";
import { createDeadline } from "../engine/deadline.ts";
import { sqlstate } from "../engine/sqlstate.ts";
import { statement } from "../engine/statement.ts";
import { nth } from "../../lists.ts";

const selectMigrations = statement<AppliedRow>("migrations.list", selectApplied);

const echo = statement<{ readonly payload: string; readonly readOnly: string }>(
  "readiness.echo",
  `select $1::text as payload, current_setting('transaction_read_only') as "readOnly"`,
);

/** Why calls cannot be served now. */
type Problem = {
  readonly reason: string;
  /** Whether the database is what is missing, so that no call should wait for it. */
  readonly isAway: boolean;
};

/** Whether the database can serve calls. */
export type Readiness = AsyncDisposable & {
  /**
   * Returns why the database cannot serve calls now, or undefined if it can: it answers in time, takes
   * writes, and its schema is the one that this version of the service was written for.
   */
  check(): Promise<Problem | undefined>;
  /** The newest migration that is applied, as the last check has found it, such as "0008_refusals". */
  readonly schemaVersion: () => string | undefined;
  /** Takes note of the SQLSTATE that an attempt of a call has failed with. */
  note(code: string): void;
};

/** A database that does not answer within this is not ready; shorter than the usual timeout of a probe. */
const answerMsMax = 1_000;
/** A timer that is later than this was held up. */
const pauseMsMax = 250;
/** The part of the time in which a process that is overloaded does something. */
const busyMin = 0.8;
/** Larger than a packet: a network that drops large ones carries small talk. */
const payloadBytes = 8_192;
/** Whether a disk is full shows by writing: calls are to try again after this. */
const fullMs = 5_000;

/**
 * Looks at a database by connections of its own, so that it waits behind no call: the second one is for when
 * the first one hangs.
 */
export async function createReadiness(
  connection: Connection,
  engine: Engine,
  directory: string,
): Promise<Readiness> {
  const migrations = await readMigrations(directory, engine);
  const limits = { connsMax: 2, connsMin: 0, queueMax: 1, waitMsMax: answerMsMax };
  const db = createDatabase(connection, engine, { ...limits, lifetimeMs: 300_000, idleMsMax: 300_000 });
  const payload = randomBytes(payloadBytes / 2).toString("hex");
  const isCluster = engine === "cockroachdb";
  let fullUntil = 0;
  let newest: string | undefined;

  async function look(): Promise<string | undefined> {
    const deadline = createDeadline(answerMsMax);
    const answer = nth(await db.query(echo, [payload], deadline), 0);
    if (answer.readOnly === "on") return "the database takes no writes: is it a standby?";
    // Migrations that this version does not know are a newer version's, whose replicas replace ours one by
    // one.
    const applied = await db.query(selectMigrations, [], deadline);
    newest = applied
      .map(({ version }) => version)
      .toSorted()
      .at(-1);
    const [pending] = findPending(migrations, applied);
    if (pending) return `migration ${pending.version} is not applied`;
    return Date.now() < fullUntil ? "the database's disk is full" : undefined;
  }

  async function check(isSecond = false): Promise<Problem | undefined> {
    const since = performance.now();
    const busyBefore = performance.eventLoopUtilization();
    try {
      const reason = await look();
      return reason === undefined ? undefined : { reason, isAway: false };
    } catch (error) {
      const isLate = !(error instanceof Error) || error.name === "TimeoutError";
      const isPaused = performance.now() - since > answerMsMax + pauseMsMax;
      const isBusy = performance.eventLoopUtilization(busyBefore).utilization > busyMin;
      // It may be one node of a cluster that hangs, or this process that took its time.
      if (!isSecond && isLate && (isCluster || isPaused || isBusy)) return check(true);
      return { reason: isLate ? "the database does not answer" : error.message, isAway: true };
    }
  }

  return {
    check: () => check(),
    schemaVersion: () => newest,
    note(code) {
      if (code === sqlstate.diskFull) fullUntil = Date.now() + fullMs;
    },
    [Symbol.asyncDispose]: () => db[Symbol.asyncDispose](),
  };
}
