import type { Logger } from "pino";
import { ConfigError } from "../config/problems.ts";
import type { Handoff, Lane } from "./handoff.ts";
import { type End, forkMember, type Member } from "./member.ts";
import type { FromWorker, ToWorker } from "./messages.ts";

/** The place of one worker. Its process is replaced when it ends. */
export type Post = {
  /** The process, once it serves. */
  readonly serving: () => Member | undefined;
  /** Asks the process to drain, and replaces none any more. True once it has ended, its calls finished. */
  readonly drain: () => Promise<boolean>;
  /** Ends the process at once, and replaces none any more. */
  readonly kill: () => void;
  /** Resolves when the process has ended. */
  readonly ended: () => Promise<unknown>;
};

/** Why a process could not start. One that has said so itself would say it again. */
export type StartFailure = { readonly error: Error; readonly isSaid: boolean };

export type PostOptions = {
  readonly logger: Logger;
  readonly handoff: Handoff;
  /** What a process is sent first. */
  readonly begin: Promise<ToWorker>;
  readonly onServe: (member: Member) => void;
  /** Called when a process has ended without being asked to; with the reason if it had not begun to serve. */
  readonly onEnd: (member: Member, failure?: StartFailure) => void;
  /** Called for messages that are not about the process alone. */
  readonly onMessage: (member: Member, message: FromWorker) => void;
};

/** A process in its place. */
type Occupant = {
  readonly member: Member;
  /** Once it serves. */
  lane?: Lane;
  sinceMs?: number;
  /** Why it cannot start, if it has said so. */
  failure?: Error;
  finished: boolean;
  unanswered: number;
};

/** A worker that has served for this long does not end because of how it began. */
const steadyMs = 60_000;

/** Waits before the nth start in a row double up to half a minute, and are spread. */
function backoffMs(nth: number): number {
  return Math.round(Math.min(100 * 2 ** (nth - 1), 30_000) * (0.5 + Math.random() / 2));
}

/** Starts the worker of a number, and starts it again whenever it ends. */
export function createPost(number: number, options: PostOptions): Post {
  let occupant: Occupant | undefined;
  let crashes = 0;
  let isEnding = false;
  let again: NodeJS.Timeout | undefined;

  const start = (): void => {
    const member = forkMember(number, (message) => hear(own, message, options));
    const own: Occupant = { member, finished: false, unanswered: 0 };
    occupant = own;
    void member.ended.then((end) => leave(own, end));
  };
  const leave = (left: Occupant, { how, code, signal }: End): void => {
    occupant = undefined;
    left.lane?.leave();
    if (isEnding) return;
    const error = left.failure ?? new Error(`worker ${number} cannot start: ${how}`);
    options.onEnd(left.member, left.lane ? undefined : { error, isSaid: left.failure !== undefined });
    // It may have been the last straw.
    if (isEnding) return;
    const servedMs = left.sinceMs === undefined ? 0 : performance.now() - left.sinceMs;
    crashes = servedMs > steadyMs ? 1 : crashes + 1;
    const waitMs = backoffMs(crashes);
    again = setTimeout(start, waitMs);
    const { pid } = left.member;
    const about = { worker: number, pid, code, signal, reason: left.failure?.message, waitMs };
    options.logger.error(about, "a worker has ended: another one takes its place");
  };
  const pinging = keepPinging(() => occupant, options.logger);
  const end = (): void => {
    isEnding = true;
    clearTimeout(again);
    pinging[Symbol.dispose]();
  };
  start();
  return {
    serving: () => (occupant?.lane ? occupant.member : undefined),
    async drain() {
      end();
      const last = occupant;
      if (last?.lane) last.member.send({ kind: "drain" });
      else last?.member.kill();
      await last?.member.ended;
      // One that has not begun to serve has no calls.
      return last?.lane === undefined || last.finished;
    },
    kill() {
      end();
      occupant?.member.kill();
    },
    ended: async () => occupant?.member.ended,
  };
}

const pingMs = 5_000;
/** Half a minute in which a process did nothing at all: no call takes it as long. */
const unansweredMax = 6;

/** Kills a process that does not answer, whether it serves or is about to. */
function keepPinging(find: () => Occupant | undefined, logger: Logger): Disposable {
  const ping = (): void => {
    const occupant = find();
    if (!occupant) return;
    const { member } = occupant;
    occupant.unanswered += 1;
    if (occupant.unanswered <= unansweredMax) return member.send({ kind: "ping" });
    logger.error({ worker: member.number, pid: member.pid }, "a worker does not answer: it is killed");
    member.kill();
  };
  const timer = setInterval(ping, pingMs).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

function hear(occupant: Occupant, message: FromWorker, options: PostOptions): void {
  const { member } = occupant;
  occupant.unanswered = 0;
  switch (message.kind) {
    case "hello":
      return void options.begin.then(member.send);
    case "ready":
      occupant.sinceMs = performance.now();
      occupant.lane = options.handoff.enter(member.send);
      options.logger.info({ worker: member.number, pid: member.pid }, "a worker serves");
      return options.onServe(member);
    case "failed":
      occupant.failure = message.problems ? new ConfigError(message.problems) : new Error(message.message);
      return undefined;
    case "taken":
      return occupant.lane?.taken();
    case "close":
      options.onMessage(member, message);
      return occupant.lane?.close(message.port);
    case "drained":
      occupant.finished = message.finished;
      return undefined;
    case "pong":
      return undefined;
    default:
      return options.onMessage(member, message);
  }
}
