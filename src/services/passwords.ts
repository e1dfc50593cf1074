import { argon2, randomBytes, timingSafeEqual, type Argon2Parameters } from "node:crypto";
import { promisify } from "node:util";
import pLimit from "p-limit";
import { bounds } from "../bounds.ts";
import type { Call } from "../call.ts";
import { createError, type DomainError } from "../errors.ts";
import { createShares } from "../shares.ts";
import { createSpareCores } from "./spare-cores.ts";

const derive = promisify(argon2);

/** The first choice of OWASP's password storage cheat sheet: 19 MiB, two passes, parallelism 1. */
const cost = { memory: 19_456, passes: 2, parallelism: 1, tagLength: 32 } as const;

/** The queue of passwords to hash. */
export type Passwords = {
  /**
   * Takes a place in the queue; disposing frees it. Throws "exhausted" at once if the queue is full or the
   * caller has its share of it. A call takes its place before it uses the database.
   */
  readonly queue: (call: Pick<Call, "principal" | "signal">) => PasswordPlace;
  /** Places that are taken. */
  readonly queued: () => number;
};

/** A place in the queue; each function waits for its turn. */
type PasswordPlace = Disposable & {
  /** Returns the argon2id hash of a password in PHC string format. Costs some 30 ms of a core. */
  readonly hash: (password: string) => Promise<string>;
  /** Whether a password matches a hash. Without a hash it does the same work and returns false. */
  readonly matches: (password: string, hash: string | undefined) => Promise<boolean>;
};

/**
 * Creates the queue of one of a number of workers. Each hash that runs takes 19 MiB and a thread; hashes do
 * not take the core of a busy event loop, so that logins do not hold up other calls.
 */
export function createPasswords(workers = 1): Passwords {
  const cores = createSpareCores(workers);
  const limit = pLimit(cores.beside);
  const inTurn = async (derived: () => Promise<Buffer>): Promise<Buffer> => {
    limit.concurrency = cores.now();
    return limit(derived).finally(() => (limit.concurrency = cores.now()));
  };
  const max = bounds.passwords.max * cores.beside;
  const shares = createShares<string>({ max, floor: bounds.passwordsFloor.max });
  return {
    queued: shares.taken,
    queue({ principal, signal }) {
      if (!shares.take(principal)) throw tooManyPasswords();
      return {
        async hash(password) {
          const salt = randomBytes(16);
          return toPhc(salt, await deriveTag(inTurn, password, { ...cost, nonce: salt }, signal));
        },
        async matches(password, hash) {
          const { tag, ...parameters } = parsePhc(hash ?? noPassword);
          const derived = await deriveTag(inTurn, password, parameters, signal);
          return timingSafeEqual(derived, tag) && hash !== undefined;
        },
        [Symbol.dispose]: () => shares.release(principal),
      };
    },
  };
}

// The time in which a full queue empties, and as long again: refused callers must not all return at once.
const retryAfterMsMin = 2_000;
const retryAfterMsMax = 4_000;

function tooManyPasswords(): DomainError {
  const retryAfterMs = Math.round(retryAfterMsMin + Math.random() * (retryAfterMsMax - retryAfterMsMin));
  const { reason } = bounds.passwords;
  return createError(reason, "too many passwords wait to be hashed", { retryAfterMs });
}

/** A hash that no password matches: its tag is argon2id's of nothing that can be typed. */
const noPassword = toPhc(Buffer.alloc(16), Buffer.alloc(cost.tagLength));

/** Waits for its turn; if the caller has left by then, nothing is computed. */
function deriveTag(
  inTurn: (derived: () => Promise<Buffer>) => Promise<Buffer>,
  password: string,
  parameters: Omit<Argon2Parameters, "message">,
  signal: AbortSignal,
): Promise<Buffer> {
  return inTurn(async () => {
    signal.throwIfAborted();
    return derive("argon2id", { ...parameters, message: Buffer.from(password.normalize("NFC")) });
  });
}

function parsePhc(hash: string): Omit<Argon2Parameters, "message"> & { readonly tag: Buffer } {
  const phc = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/.exec(hash);
  const [, memory, passes, parallelism, salt, tag] = phc ?? [];
  if (salt === undefined || tag === undefined)
    throw new Error("a stored password hash is not an argon2id PHC string");
  const bytes = Buffer.from(tag, "base64");
  return {
    memory: Number(memory),
    passes: Number(passes),
    parallelism: Number(parallelism),
    nonce: Buffer.from(salt, "base64"),
    tagLength: bytes.length,
    tag: bytes,
  };
}

function toPhc(salt: Buffer, tag: Buffer): string {
  const { memory, passes, parallelism } = cost;
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${toBase64(salt)}$${toBase64(tag)}`;
}

/** PHC strings have base64 without padding. */
function toBase64(bytes: Buffer): string {
  return bytes.toString("base64").replaceAll("=", "");
}
