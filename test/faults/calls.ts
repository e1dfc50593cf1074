import { setTimeout as delay } from "node:timers/promises";
import type { Attempt } from "./caller.ts";
import {
  isImport,
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
};

/** How an attempt ended and, for a list, the token of the next page. */
export type Answer = Entry & { readonly nextPageToken: string };

/**
 * How long a caller waits. Without faults an answer takes some 5 ms; what hangs should not hold up a round.
 */
const timeoutMs = { min: 150, max: 600 };
const pauseMsMax = 15;
/** The callers of imports that leave, at the least: many of them in the middle. */
const importLeaving = { share: 0.25, msMax: 60 };

/** Callers that leave, come back, and call twice. */
export type Calls = {
  /** What has happened, as far as callers were told. */
  readonly acknowledged: readonly (Mutation | Import)[];
  /** Calls, and repeats the call while its outcome is unknown. */
  call(client: number, chance: Random, request: Request, pageToken?: string): Promise<Answer>;
};

/** Makes calls; `learn` is told how each attempt ended. */
export function createCalls(
  attempt: Attempt,
  recorder: Recorder,
  random: Random,
  load: Load,
  learn: (outcome: Outcome) => void,
): Calls {
  const acknowledged: (Mutation | Import)[] = [];
  // How many callers leave before the answer, and how many call twice at once.
  const leaving = load.leaving ?? random.pick([0.01, 0.05, 0.25]);
  const doubling = random.pick([0.01, 0.05, 0.2]);

  async function once(client: number, chance: Random, request: Request, pageToken?: string): Promise<Answer> {
    const { share, msMax } = isImport(request) ? importLeaving : { share: 0, msMax: 25 };
    const leaves = chance.chance(Math.max(leaving, share));
    const signal = leaves ? AbortSignal.timeout(chance.between(1, msMax)) : undefined;
    const options = { timeoutMs: chance.between(timeoutMs.min, timeoutMs.max), ...(signal && { signal }) };
    let nextPageToken = "";
    const entry = await recorder.record(client, request, async (acknowledge) => {
      const answer = await attempt(request, options, acknowledge, pageToken);
      ({ nextPageToken } = answer);
      return answer.outcome;
    });
    learn(entry.outcome);
    return { ...entry, nextPageToken };
  }

  async function call(client: number, chance: Random, request: Request, pageToken?: string): Promise<Answer> {
    let next = isImport(request) ? request.firstIndex : 0;
    const toNext = (): Request => (isImport(request) ? resumeImport(chance, request, next) : request);
    for (let attempts = 1; ; attempts++) {
      if ("requestId" in request && chance.chance(doubling))
        await Promise.all([0, 1].map(() => once(client, chance, toNext())));
      const answer = await once(client, chance, toNext(), pageToken);
      for (const { lastIndex } of answer.chunks) next = Math.max(next, lastIndex + 1);
      if (answer.outcome.kind === "ok" && "requestId" in request) acknowledged.push(request);
      const givesUp = attempts >= load.attemptsMax || chance.chance(0.02);
      if (answer.outcome.kind !== "unknown" || givesUp) return answer;
      await delay(chance.between(0, pauseMsMax));
    }
  }

  return { acknowledged, call };
}
