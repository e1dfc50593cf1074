import process from "node:process";
import type { Config } from "../config.ts";
import { shareOf } from "../config/shares.ts";
import type { Reached } from "../databases.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";
import type { Handoff } from "./handoff.ts";
import type { Member } from "./member.ts";
import type { ToWorker } from "./messages.ts";
import { createPost, type Post, type PostOptions, type StartFailure } from "./post.ts";

/** The workers of a service. Disposing kills them. */
export type Crew = AsyncDisposable & {
  /**
   * Lets the workers begin, and resolves when all serve. Throws what one of them cannot start for, in its
   * words, or the signal's reason.
   */
  readonly begin: (reached: Reached, signal: AbortSignal | undefined) => Promise<void>;
  readonly serving: () => readonly Member[];
  /** Tells all that serve, and each that does so later. */
  readonly tell: (news: ToWorker) => void;
  /** Resolves when no worker serves and none can be started. */
  readonly failed: Promise<Error>;
  /** Asks all to drain, and waits for their ends. True if all of their calls have finished. */
  readonly drain: () => Promise<boolean>;
};

export type CrewOptions = Pick<PostOptions, "onMessage"> & {
  readonly telemetry: Telemetry;
  readonly handoff: Handoff;
  /** Called when a worker has begun to serve, or has ended. */
  readonly onChange: () => void;
  readonly onEnd: (member: Member) => void;
};

/** Starts in a row that fail before a service of which no worker serves gives up. */
const failuresMax = 5;
/** What the end of a worker takes beside its calls: pools close, spans are sent. */
const endMsMax = 10_000;

/** Starts the processes of the workers, which load what they need and wait for `begin`. */
export function createCrew(config: Config, options: CrewOptions): Crew {
  const reached = Promise.withResolvers<Reached>();
  const complete = Promise.withResolvers<void>();
  const failed = Promise.withResolvers<Error>();
  // It may fail before `begin`.
  complete.promise.catch(() => {});
  let news: ToWorker | undefined;
  let failures = 0;
  let isComplete = false;

  const serving = (): Member[] => posts.flatMap((post) => post.serving() ?? []);
  const countEnd = observeWorkers(options.telemetry, config.workers, () => serving().length);
  const onServe = (member: Member): void => {
    failures = 0;
    if (news) member.send(news);
    isComplete ||= serving().length === config.workers;
    if (isComplete) complete.resolve();
    options.onChange();
  };
  const onEnd = (member: Member, failure?: StartFailure): void => {
    countEnd();
    options.onEnd(member);
    options.onChange();
    if (!failure) return;
    failures += 1;
    const isTried = failures >= failuresMax && (!isComplete || serving().length === 0);
    if (!isTried && (isComplete || !failure.isSaid)) return;
    complete.reject(failure.error);
    failed.resolve(failure.error);
    kill();
  };
  const posts = Array.from({ length: config.workers }, (_, index): Post => {
    const number = index + 1;
    const begin = reached.promise.then((each) => {
      return { kind: "begin", number, config: shareOf(config, number), reached: each } as const;
    });
    const { handoff, onMessage, telemetry } = options;
    return createPost(number, { handoff, onMessage, logger: telemetry.logger, begin, onServe, onEnd });
  });
  const kill = (): void => posts.forEach((post) => post.kill());
  // However this process ends, unless it is killed: then the workers notice.
  process.on("exit", kill);
  return {
    serving,
    failed: failed.promise,
    async begin(each, signal) {
      reached.resolve(each);
      signal?.addEventListener("abort", () => complete.reject(signal.reason));
      signal?.throwIfAborted();
      await complete.promise;
    },
    tell(next) {
      news = next;
      for (const member of serving()) member.send(next);
    },
    drain: () => drainAll(posts, config.shutdown),
    async [Symbol.asyncDispose]() {
      kill();
      process.off("exit", kill);
      await Promise.all(posts.map((post) => post.ended()));
    },
  };
}

/** Workers that take longer than they may are killed. */
async function drainAll(posts: readonly Post[], { drainMs, graceMs }: Config["shutdown"]): Promise<boolean> {
  const late = (): void => posts.forEach((post) => post.kill());
  const timer = setTimeout(late, drainMs + graceMs + endMsMax);
  const drained = await Promise.all(posts.map((post) => post.drain()));
  clearTimeout(timer);
  return drained.every(Boolean);
}

/** Registers the metrics of workers, and returns what counts one that has ended. */
function observeWorkers(
  { value, counter }: Telemetry,
  configured: number,
  serving: () => number,
): () => void {
  value("commerce_workers_configured", "Workers that are to serve.", () => configured);
  value("commerce_workers_serving", "Workers that serve.", serving);
  const help = "Workers that ended without being asked to, and were replaced.";
  const count = counter({ name: "commerce_worker_restarts_total", help });
  return () => count({});
}
