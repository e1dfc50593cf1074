import { argon2, randomBytes, timingSafeEqual, type Argon2Parameters } from "node:crypto";
import { availableParallelism } from "node:os";
import { promisify } from "node:util";
import pLimit from "p-limit";
import { bounds } from "../bounds.ts";
import type { Call } from "../call.ts";
import { createError, type DomainError } from "../errors.ts";
import { createShares } from "../shares.ts";

const derive = promisify(argon2);

/** The first choice of OWASP's password storage cheat sheet: 19 MiB, two passes, one batcher. */
const cost = { memory: 19_456, passes: 2, parallelism: 1, tagLength: 32 } as const;

/**
 * Passwords hashed at once, 19 MiB and a thread each. One core is left to the event loop, so that logins do
 * not hold up other calls, and one of the four threads of libuv's pool to files and names of hosts.
 */
const hashesMax = Math.min(Math.max(availableParallelism() - 1, 1), 3);
const limit = pLimit(hashesMax);

/** The passwords of calls that are hashed or wait for it. */
export type Passwords = {
  /**
   * Takes a place in the queue; the disposal frees it. Throws "exhausted" at once when the queue is full, or
   * when the caller has its share of it. A call takes one before it asks the database for anything.
   */
  readonly queue: (call: Pick<Call, "principal" | "signal">) => PasswordPlace;
  /** Places that are taken. */
  readonly queued: () => number;
};

/** A place in the queue; each function waits for its turn. */
type PasswordPlace = Disposable & {
  /** Returns the argon2id hash of a password in PHC string format. Costs some 30 ms of a core. */
  readonly hash: (password: string) => Promise<string>;
  /** Whether a password is the one of a hash. Without a hash it does the same work and says no. */
  readonly matches: (password: string, hash: string | undefined) => Promise<boolean>;
};

/** Opens the queue of passwords. */
export function createPasswords(): Passwords {
  const max = bounds.passwords.max * hashesMax;
  const shares = createShares<string>({ max, floor: bounds.passwordsFloor.max });
  return {
    queued: shares.taken,
    queue({ principal, signal }) {
      if (!shares.take(principal)) throw tooManyPasswords();
      return {
        async hash(password) {
          const salt = randomBytes(16);
          return toPhc(salt, await deriveTag(password, { ...cost, nonce: salt }, signal));
        },
        async matches(password, hash) {
          const { tag, ...parameters } = parsePhc(hash ?? nobody);
          const derived = await deriveTag(password, parameters, signal);
          return timingSafeEqual(derived, tag) && hash !== undefined;
        },
        [Symbol.dispose]: () => shares.release(principal),
      };
    },
  };
}

// When a full queue is through, spread over as long again: those who were refused do not come all at once.
const retryAfterMsMin = 2_000;
const retryAfterMsMax = 4_000;

function tooManyPasswords(): DomainError {
  const retryAfterMs = Math.round(retryAfterMsMin + Math.random() * (retryAfterMsMax - retryAfterMsMin));
  const { reason } = bounds.passwords;
  return createError(reason, "too many passwords wait to be hashed", { retryAfterMs });
}

/** The hash of no password: its tag is what argon2id gives for nothing that can be typed. */
const nobody = toPhc(Buffer.alloc(16), Buffer.alloc(cost.tagLength));

/** Waits for its turn; a caller who has left meanwhile costs nothing. */
function deriveTag(
  password: string,
  parameters: Omit<Argon2Parameters, "message">,
  signal: AbortSignal,
): Promise<Buffer> {
  return limit(async () => {
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
