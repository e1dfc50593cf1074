import {
  type DomainError,
  outcomeUnknown,
  requestIdReused,
  restoreError,
  type StoredError,
} from "../errors.ts";
import { nth, whole } from "../lists.ts";
import { rowSet } from "./engine/row-set.ts";
import type { Run, Statement } from "./engine/statement.ts";
import type { Outcome } from "./outcome.ts";

/** What is known of a call whose refusal may be kept. */
export type Refusable = {
  readonly fingerprint: string;
  /** How long a refusal is kept, in milliseconds; 0: not at all, since no attempt can follow it. */
  readonly refusalMs: number;
};

/** For how long what was sent may arrive, in milliseconds: TCP gives up after some 15 minutes. */
const arrivalMsMax = 3_600_000;

/**
 * A call that is made again while a statement of it may still arrive: its refusal has to keep that one out,
 * also where nobody can repeat the call.
 */
export function keepRefusal<Request extends Refusable>(request: Request): Request {
  return request.refusalMs > 0 ? request : { ...request, refusalMs: arrivalMsMax };
}

/**
 * A refusal as it is stored, in a mark under the id of the call: the reason and its facts, and which call it
 * was. The fingerprint is in here because a release that knows no marks would take a row with the call's
 * fingerprint for its success; without one it says that the request_id is that of another call.
 */
export type StoredRefusal = StoredError & { readonly fingerprint: string };

/** A refusal that is to be kept. */
export type Mark = { readonly id: string; readonly refusal: string; readonly keptMs: number };

/** Rows of marks, for the statements that write them. */
export const sentMarks = rowSet<Mark>({
  id: "id uuid",
  refusal: "refusal text",
  keptMs: "kept_ms int4",
});

/** When a mark may be deleted, for the same statements. */
export const markExpiry = "now() + kept_ms * interval '1 millisecond'";

/** The refusal of a call that is repeated. */
export function toRefusal(
  stored: StoredRefusal,
  { fingerprint }: { readonly fingerprint: string },
): DomainError {
  return stored.fingerprint === fingerprint ? restoreError(stored) : requestIdReused();
}

/** The mark under an id of a call that was refused. */
export function toMark(
  id: string,
  { kind, reason, message, facts }: DomainError,
  { fingerprint, refusalMs }: Refusable,
): Mark {
  const stored: StoredRefusal = { fingerprint, kind, reason, message, facts };
  return { id, refusal: JSON.stringify(stored), keptMs: refusalMs };
}

/** The outcomes of a batch, as far as they are known. */
export type Outcomes<T> = (Outcome<T> | undefined)[];

/** How a batch of calls is decided. */
export type Deciding<Request, T> = {
  /** The id under which a call writes, and under which its refusal is kept. */
  readonly idOf: (request: Request) => string;
  /** Inserts marks and returns the ids of those that were not in the way of another row. */
  readonly keep: Statement<{ readonly id: string }>;
  /**
   * Writes those of the given numbers, fills in the outcomes of which nothing can change any more, and
   * returns why others are refused.
   */
  readonly write: (
    open: readonly number[],
    outcomes: Outcomes<T>,
  ) => Promise<ReadonlyMap<number, DomainError>>;
  /**
   * Where `write` does not read what was written under the ids before: one look for what has happened, and
   * one for marks. They fill in what they find.
   */
  readonly lookUps?: readonly ((open: readonly number[], outcomes: Outcomes<T>) => Promise<void>)[];
};

/**
 * A call is decided anew where another attempt of it was first, which the next round finds. More often it is
 * only where marks expire meanwhile.
 */
const roundsMax = 8;

/**
 * Decides a batch of calls and returns their outcomes. A refusal is one as soon as its mark is there: the
 * mark and the write insert under one unique key, so that from then on no attempt of the call can happen,
 * wherever it is. Where another attempt was first the call is decided anew, and finds what that one has
 * left. Throws "unknown outcome" after `roundsMax` rounds.
 */
export async function decide<Request extends Refusable, T>(
  run: Run,
  requests: readonly Request[],
  { idOf, keep, write, lookUps = [] }: Deciding<Request, T>,
): Promise<Outcome<T>[]> {
  const outcomes: Outcomes<T> = new Array<Outcome<T> | undefined>(requests.length);
  const isOpen = (n: number): boolean => outcomes[n] === undefined;
  let rounds = 0;
  for (let open = requests.map((_, n) => n); open.length > 0; open = open.filter(isOpen)) {
    if (++rounds > roundsMax) throw outcomeUnknown(new Error(`not decided in ${roundsMax} rounds`));
    const refusals = await write(open, outcomes);
    const answer = (isFinal: (n: number) => boolean): void => {
      for (const [n, error] of refusals) if (isOpen(n) && isFinal(n)) outcomes[n] = error;
    };
    const isNotKept = (n: number): boolean => nth(requests, n).refusalMs === 0;
    if (lookUps.length === 0) answer(isNotKept);
    const marks = [...refusals].flatMap(([n, error]) => {
      const request = nth(requests, n);
      return request.refusalMs === 0 ? [] : [toMark(idOf(request), error, request)];
    });
    const kept = marks.length === 0 ? [] : await run(keep, sentMarks.values(marks));
    const ids = new Set(kept.map(({ id }) => id));
    answer((n) => ids.has(idOf(nth(requests, n))));
    for (const lookUp of lookUps) {
      const missing = open.filter(isOpen);
      if (missing.length > 0) await lookUp(missing, outcomes);
      answer(isNotKept);
    }
  }
  return whole(outcomes);
}
