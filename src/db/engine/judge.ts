import type { Engine } from "../../config.ts";
import { DomainError, toDomainError, tooSlow, toServerError } from "../../errors.ts";
import type { NodeFault } from "./nodes.ts";
import { DecodeError } from "./pg-types.ts";
import { sqlstate } from "./sqlstate.ts";

/**
 * How far an attempt had come when it failed. A statement outside a transaction commits by itself, so that it
 * is "committing" from the moment it was sent. "inside" a transaction the server may keep its locks when the
 * connection is lost.
 */
export type Phase = "connecting" | "executing" | "inside" | "committing";

/** What is known of an attempt while it runs. */
export type Progress = {
  phase: Phase;
  /** Whether the connection had prepared the statement before. */
  wasPrepared: boolean;
  /** Whether it may wait for another node than that of its connection, which silence says nothing of then. */
  asksOthers?: boolean;
  /** When the attempt got its connection, by performance.now(). */
  readonly beginMs: number;
};

/** What is known of a failed attempt, and so what may follow it. */
export type Disposition =
  /** It did not happen; its connection is sound. */
  | "aborted"
  /** It did not happen; its connection is of no use. */
  | "disconnected"
  /** It did not happen; the database has no room. */
  | "overloaded"
  /** It happened or it did not: running it again, with the same derived ids, is the only way to find out. */
  | "ambiguous"
  /** It did not happen and never will. */
  | "final";

/** What the failure of an attempt means. */
export type Judgement = {
  readonly disposition: Disposition;
  /** The SQLSTATE, the errno, or "none". */
  readonly code: string;
  /** Whether another call may have the connection. */
  readonly reusable: boolean;
  /** Whether the session may still commit what the attempt did, or hold its locks. */
  readonly mayStillAct: boolean;
  /** What all connections that were made before have: a plan that no longer fits, or another server. */
  readonly stale?: Stale | undefined;
  /** What it says of the node that the attempt ran on. */
  readonly nodeFault?: NodeFault | undefined;
  /** Attempts after which waiting does not mend it; by default as many as a call has. */
  readonly attemptsMax?: number | undefined;
  /** What a final failure means to the caller; without it, it is a mistake of ours. */
  readonly answer?: DomainError | undefined;
};

export type Stale = "plan" | "server";

/** Longer than any call may take: what ends a statement whose service died. */
export const statementMsMax = 120_000;

type Rule = Pick<Judgement, "disposition" | "stale" | "nodeFault" | "attemptsMax"> & {
  /** Where it differs once the commit was sent. */
  readonly atCommit?: Disposition;
};

/** What the server's errors mean, by SQLSTATE: the first that fits. All others are final. */
const rules: readonly (readonly [codes: RegExp, rule: Rule])[] = [
  // Contention. CR000 was CockroachDB's own code for it.
  [/^(40001|40P01|CR000)$/, { disposition: "aborted" }],
  // 40003 and CockroachDB's 58C0x say that the outcome of a commit is unknown, 08xxx and 57P0x that the
  // connection ends: before the commit was sent the transaction died with it.
  [/^(40003|58C0.)$/, { disposition: "disconnected", atCommit: "ambiguous" }],
  [/^08...$/, { disposition: "disconnected", atCommit: "ambiguous", nodeFault: "silent" }],
  [/^57P0.$/, { disposition: "disconnected", atCommit: "ambiguous", nodeFault: "leaving" }],
  // The transaction was idle or open for too long, and the server has undone it.
  [/^25P0[34]$/, { disposition: "disconnected" }],
  // The disk is full: it is not cleared up within a call.
  [new RegExp(`^${sqlstate.diskFull}$`), { disposition: "overloaded", attemptsMax: 3 }],
  // No memory, no connection, a limit.
  [/^53(000|200|300|400)$/, { disposition: "overloaded" }],
  // A cached plan no longer fits its table; the server forgot a prepared statement.
  [/^(0A000|26000)$/, { disposition: "disconnected", stale: "plan" }],
  // Behind the name there may be a server that takes writes within half a second.
  [new RegExp(`^${sqlstate.readOnly}$`), { disposition: "disconnected", stale: "server", attemptsMax: 10 }],
];

/**
 * Unique and foreign keys that a statement checks by reading before it writes. Their violation means that
 * another statement came in between; a re-run reads what it wrote.
 */
const racingConstraints = new Set([
  "order_events_idempotency_key_key",
  "order_events_pkey",
  "order_items_order_id_fkey",
  "orders_user_id_fkey",
  "stock_movements_pkey",
  "user_changes_pkey",
]);

/** Judges a failed attempt by SQLSTATE and phase, never by the text of a message. */
export function judge(engine: Engine, progress: Progress, cause: unknown): Judgement {
  const found = toRule(engine, progress, cause);
  const { phase } = progress;
  const { code, severity } = (cause ?? {}) as { readonly code?: unknown; readonly severity?: unknown };
  // A server that ends with the session may have written the commit; what it undid first, it says (25P0x).
  const isFatal = (severity === "FATAL" || severity === "PANIC") && !String(code).startsWith("25P0");
  const atCommit = isFatal ? "ambiguous" : found.atCommit;
  const disposition = (phase === "committing" && atCommit) || found.disposition;
  const isLost = disposition === "disconnected" || disposition === "ambiguous";
  return {
    disposition,
    code: typeof code === "string" ? code : "none",
    // A CockroachDB node that drains sends 57P01 with the severity of an error of the statement.
    reusable: cause instanceof DecodeError || (severity === "ERROR" && !isLost),
    mayStillAct: disposition === "ambiguous" || (phase === "inside" && disposition === "disconnected"),
    stale: found.stale,
    nodeFault: found.nodeFault === "silent" && progress.asksOthers ? undefined : found.nodeFault,
    attemptsMax: found.attemptsMax,
    answer: disposition === "final" ? (found.answer ?? toDomainError(cause)) : undefined,
  };
}

const final: Rule = { disposition: "final" };
const lost: Rule = { disposition: "disconnected", atCommit: "ambiguous", nodeFault: "silent" };

function toRule(
  engine: Engine,
  { phase, wasPrepared, beginMs }: Progress,
  cause: unknown,
): Rule & Pick<Judgement, "answer"> {
  // What could not be read has run to its end, and ends the same when it is run again.
  if (cause instanceof DomainError || cause instanceof DecodeError) return final;
  const server = toServerError(cause);
  // Not from the server: the connection broke, or was never made.
  if (server === undefined) return lost;
  const { code, constraint } = server;
  if (code.startsWith("23"))
    return racingConstraints.has(constraint ?? "") ? { disposition: "aborted" } : final;
  // A password or a database that is being changed: the next connection may be let in.
  if (phase === "connecting" && /^(28|3D)/.test(code)) return { disposition: "disconnected" };
  if (code === sqlstate.queryCanceled) return toCancelled(engine, performance.now() - beginMs, cause);
  const rule = ruleOf(code);
  // No plan can be stale where nothing was prepared: CockroachDB also sends 0A000 for what it does not
  // support.
  if (rule.stale === "plan" && !wasPrepared) return final;
  return rule;
}

function ruleOf(sqlState: string): Rule {
  return rules.find(([codes]) => codes.test(sqlState))?.[1] ?? final;
}

/** What the error of an idle connection says of its node: that it broke says nothing, balancers do that. */
export function toIdleFault(cause: unknown): NodeFault | undefined {
  const server = toServerError(cause);
  return server && ruleOf(server.code).nodeFault;
}

/** What a cancelled statement means, which is never one of our own cancellations: nothing waits for those. */
function toCancelled(engine: Engine, elapsedMs: number, cause: unknown): Rule & Pick<Judgement, "answer"> {
  // CockroachDB says it of statements that may have been committed.
  if (engine === "cockroachdb") return { disposition: "aborted", atCommit: "ambiguous" };
  return elapsedMs < statementMsMax ? { disposition: "aborted" } : { ...final, answer: tooSlow(cause) };
}
