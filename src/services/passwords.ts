import { argon2, randomBytes, timingSafeEqual, type Argon2Parameters } from "node:crypto";
import { availableParallelism } from "node:os";
import { promisify } from "node:util";
import pLimit from "p-limit";

const derive = promisify(argon2);

/** The first choice of OWASP's password storage cheat sheet: 19 MiB, two passes, one lane. */
const cost = { memory: 19_456, passes: 2, parallelism: 1, tagLength: 32 } as const;

/** One hash a core: more at once would only take memory, 19 MiB each, and threads from others. */
const limit = pLimit(availableParallelism());

/** Returns the argon2id hash of a password in PHC string format. Costs some 30 ms of a core. */
export async function hashPassword(password: string, signal: AbortSignal): Promise<string> {
  const salt = randomBytes(16);
  const tag = await deriveTag(password, { ...cost, nonce: salt }, signal);
  return toPhc(salt, tag);
}

/** Whether a password is the one of a hash. Without a hash it does the same work and says no. */
export async function isPassword(
  password: string,
  hash: string | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  const { tag, ...parameters } = parsePhc(hash ?? nobody);
  const derived = await deriveTag(password, parameters, signal);
  return timingSafeEqual(derived, tag) && hash !== undefined;
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
  if (!phc) throw new Error("a stored password hash is not an argon2id PHC string");
  const [, memory, passes, parallelism, salt, tag] = phc as unknown as string[];
  const bytes = Buffer.from(tag!, "base64");
  return {
    memory: Number(memory),
    passes: Number(passes),
    parallelism: Number(parallelism),
    nonce: Buffer.from(salt!, "base64"),
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
