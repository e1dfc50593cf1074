import { createError, type DomainError } from "../errors.ts";

const UNITS_MS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/**
 * Parses the header `grpc-timeout` or `connect-timeout-ms`. Returns when the caller stops waiting, in
 * milliseconds since the epoch like `arrivedMs`; Infinity without the header, and the error to answer for an
 * invalid one.
 *
 * The listeners remove these headers because the libraries would read them, too: their timers hold no more
 * than 24.8 days, so that a longer timeout ends a call at once.
 */
export function parseDeadline(
  header: "grpc-timeout" | "connect-timeout-ms",
  value: string | null | undefined,
  arrivedMs: number,
): number | DomainError {
  if (value === null || value === undefined) return Infinity;
  const [, count, unit = "m"] = (header === "grpc-timeout" ? GRPC : CONNECT).exec(value) ?? [];
  if (count === undefined) {
    const message = `${header} is ${JSON.stringify(value.slice(0, 40))}, which is not a valid timeout`;
    return createError("MALFORMED_TIMEOUT", message);
  }
  return arrivedMs + Number(count) * UNITS_MS[unit]!;
}

const GRPC = /^(\d{1,8})([HMSmun])$/;
const CONNECT = /^(\d{1,10})$/;
