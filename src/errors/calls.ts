import { createError, type DomainError } from "./domain-error.ts";

/** The request is no message of its method. */
export function malformed(message: string): DomainError {
  return createError("MALFORMED_REQUEST", message);
}

/** A message is larger than its method takes. */
export function tooLarge(bytesMax: number): DomainError {
  return createError("MESSAGE_TOO_LARGE", `the message has over ${bytesMax} bytes`);
}

/** Why a call ends whose deadline has passed. */
export function late(): DomainError {
  return createError("DEADLINE_EXCEEDED", "the call's deadline has passed");
}

/** Why a call ends that would outlast a drain. `lastIndex` is the last row of an import that was answered. */
export function shuttingDown(lastIndex?: number): DomainError {
  const message = "the server is shutting down";
  if (lastIndex === undefined) return createError("SHUTTING_DOWN", message, { retryAfterMs: 0 });
  return createError("SHUTTING_DOWN", `${message}; resume the import behind index ${lastIndex}`, {
    retryAfterMs: 0,
    metadata: { last_index: lastIndex.toString() },
  });
}
