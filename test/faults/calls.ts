import { setTimeout as delay } from "node:timers/promises";
import type { CallOptions } from "@connectrpc/connect";
import type { Attempt } from "./caller.ts";
import {
  isImport,
  type Acknowledge,
  type Entry,
  type Import,
  type Mutation,
  type Outcome,
  type Recorder,
  type Request,
} from "./history.ts";
import { resumeImport } from "./import-traffic.ts";
import type { Random } from "./random.ts";

/** How much traffic. */
export type Load = {
  readonly clients: number;
  /** Without their repetitions. */
  readonly callsPerClient: number;
  /** Of one call. */
  readonly attemptsMax: number;
  /** The share of callers that leave before the answer; chance decides if it is not given. */
  readonly leaving?: number;
  /**
   * The share of calls whose callers are impatient: with deadlines from 20 ms to 2 s, or leaving at any
   * moment before, and then repeating the call at once; by default none where there is one replica, else
   * chance decides.
   */
  readonly impatient?: number;
  /** Whether most products are scarce, and their stock comes and goes: calls are refused that a moment later
   * would not be. */
  readonly scarce?: boolean;
  /** The shares of races, by default none: see `Races`. */
  readonly dooming?: number;
  readonly growing?: number;
};

/** How an attempt ended and, for a list, the token of the next page. */
export type Answer = Entry & { readonly nextPageToken: string };

/**
 * How long a caller waits. Without faults an answer takes some 5 ms; what hangs should not hold up a round.
 */
const timeoutMs = { min: 150, max: 600 };
const pauseMsMax = 15;
/** The longest deadlines of impatient callers, who draw one from the shortest to one of these. */
const impatientMs = { min: 20, max: [150, 500, 2_000] };
/** The impatient ones that leave before their deadline. */
const cancelling = 0.3;
/** Who repeats a call asks another replica. */
const elsewhere = 0.85;
/** The callers of imports that leave, at the least: many of them in the middle. */
const importLeaving = { share: 0.25, msMax: 60 };

/** Callers that leave, come back, and call twice. */
export type Calls = {
  /** What has happened, as far as callers were told. */
  readonly acknowledged: readonly (Mutation | Import)[];
  /** What was refused. */
  readonly refused: readonly (Mutation | Import)[];
  /** Calls, and repeats the call while its outcome is unknown. */
  call(client: number, chance: Random, request: Request, pageToken?: string): Promise<Answer>;
};

/** How an attempt is made. */
type Manner = { readonly replica: number; readonly isImpatient: boolean; readonly pageToken?: string };

/** Makes calls to replicas; `learn` is told how each attempt ended. */
export function createCalls(
  attempts: readonly Attempt[],
  recorder: Recorder,
  random: Random,
  load: Load,
  learn: (outcome: Outcome) => void,
): Calls {
  const acknowledged: (Mutation | Import)[] = [];
  const refused: (Mutation | Import)[] = [];
  const many = attempts.length > 1;
  // How many callers leave before the answer, and how many call twice at once.
  const leaving = load.leaving ?? random.pick([0.01, 0.05, 0.25]);
  const doubling = random.pick([0.01, 0.05, 0.2]);
  const impatient = load.impatient ?? (many ? random.pick([0.3, 0.6, 0.9]) : 0);

  function choose(chance: Random, request: Request, isImpatient: boolean): CallOptions {
    if (isImpatient) {
      const timeout = chance.between(impatientMs.min, chance.pick(impatientMs.max));
      const leaves = chance.chance(cancelling);
      return {
        timeoutMs: timeout,
        ...(leaves && { signal: AbortSignal.timeout(chance.between(1, timeout)) }),
      };
    }
    const { share, msMax } = isImport(request) ? importLeaving : { share: 0, msMax: 25 };
    const leaves = chance.chance(Math.max(leaving, share));
    const signal = leaves ? AbortSignal.timeout(chance.between(1, msMax)) : undefined;
    return { timeoutMs: chance.between(timeoutMs.min, timeoutMs.max), ...(signal && { signal }) };
  }

  async function once(client: number, chance: Random, request: Request, manner: Manner): Promise<Answer> {
    const { replica, isImpatient, pageToken } = manner;
    const options = choose(chance, request, isImpatient);
    let nextPageToken = "";
    const make = async (acknowledge: Acknowledge): Promise<Outcome> => {
      const answer = await attempts[replica]!(request, options, acknowledge, pageToken);
      ({ nextPageToken } = answer);
      return answer.outcome;
    };
    const entry = await recorder.record(client, request, make, many ? replica : undefined);
    learn(entry.outcome);
    return { ...entry, nextPageToken };
  }

  /** The replica that is asked after another one; the only one, where there is one. */
  function pickNext(chance: Random, replica: number): number {
    if (!many || !chance.chance(elsewhere)) return replica;
    return (replica + chance.between(1, attempts.length - 1)) % attempts.length;
  }

  async function call(client: number, chance: Random, request: Request, pageToken = ""): Promise<Answer> {
    let next = isImport(request) ? request.firstIndex : 0;
    const toNext = (): Request => (isImport(request) ? resumeImport(chance, request, next) : request);
    const isImpatient = impatient > 0 && chance.chance(impatient);
    let replica = many ? chance.between(0, attempts.length - 1) : 0;
    for (let count = 1; ; count++) {
      const ask = (at: number): Promise<Answer> =>
        once(client, chance, toNext(), { replica: at, isImpatient, pageToken });
      if ("requestId" in request && chance.chance(doubling))
        await Promise.all([ask(replica), ask(pickNext(chance, replica))]);
      const answer = await ask(replica);
      const { outcome } = answer;
      for (const { lastIndex } of answer.chunks) next = Math.max(next, lastIndex + 1);
      if (outcome.kind === "ok" && "requestId" in request) acknowledged.push(request);
      if (outcome.kind === "failed" && "requestId" in request) refused.push(request);
      const givesUp = count >= load.attemptsMax || chance.chance(0.02);
      if (outcome.kind !== "unknown" || givesUp) return answer;
      // Who is told at once that nobody is there would ask again in a loop.
      if (!isImpatient || outcome.code === "Unavailable") await delay(chance.between(0, pauseMsMax));
      replica = pickNext(chance, replica);
    }
  }

  return { acknowledged, refused, call };
}
