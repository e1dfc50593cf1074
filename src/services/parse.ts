import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { protoCamelCase } from "@bufbuild/protobuf/reflect";
import { invalid } from "../errors.ts";
import { e4Max, type E4, type Micros } from "../db/engine/pg-types.ts";
import type { Money } from "../gen/google/type/money_pb.ts";

/** A label of a domain name. */
const label = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";

/**
 * An email address as the HTML standard defines it, in any case; matches in linear time. It must be applied
 * before lowering the case: the Kelvin sign is not in ASCII and its lower case is.
 */
const email = new RegExp(`^[a-z0-9.!#$%&'*+/=?^_\`{|}~-]+@${label}(?:\\.${label})*$`, "i");

/** The longest address that mail systems accept (RFC 5321). */
const emailLengthMax = 254;

/** Returns an email in its canonical form: trimmed and in lower case. */
export function parseEmail(field: string, text: string): string {
  const trimmed = text.trim();
  if (trimmed.length > emailLengthMax || !email.test(trimmed))
    throw invalid(field, "must be an email address");
  return trimmed.toLowerCase();
}

/** Returns a name that is not empty and can be stored; the contract's rules bound its length. */
export function parseName(field: string, text: string): string {
  if (!/[^\p{C}\p{Z}]/u.test(text)) throw invalid(field, "must contain visible characters");
  // JSON can express half of a surrogate pair, which UTF-8 cannot. U+FFFD replaced bytes that were not UTF-8.
  if (!text.isWellFormed() || text.includes("\uFFFD")) throw invalid(field, "must be valid Unicode");
  return text;
}

/** Returns an id as the database spells it; the contract's rules ensure that it is a UUID. */
export function toId(uuid: string): string {
  return uuid.toLowerCase();
}

/** Quotes a path of a field mask as the caller wrote it: in lowerCamelCase if the call is in JSON. */
export function quotePath(path: string): string {
  const inJson = protoCamelCase(path);
  return inJson === path ? `"${path}"` : `"${path}" ("${inJson}" in JSON)`;
}

const currency = /^[A-Z]{3}$/;

/** Returns an amount of money that is not negative and fits into a decimal(19, 4). */
export function parseMoney(
  field: string,
  { currencyCode, units, nanos }: Money,
): { currencyCode: string; amount: E4 } {
  if (!currency.test(currencyCode))
    throw invalid(`${field}.currency_code`, "must be three capital letters (ISO 4217), such as EUR");
  if (Math.abs(nanos) > 999_999_999)
    throw invalid(`${field}.nanos`, "must be between -999999999 and 999999999");
  if ((units > 0n && nanos < 0) || (units < 0n && nanos > 0))
    throw invalid(`${field}.nanos`, "must have the sign of units");
  if (nanos % 100_000 !== 0)
    throw invalid(`${field}.nanos`, "must be a multiple of 100000: four decimals at most");
  const amount = units * 10_000n + BigInt(nanos / 100_000);
  if (amount < 0n) throw invalid(field, "must not be negative");
  if (amount > e4Max) throw invalid(`${field}.units`, "must be below 10^15");
  return { currencyCode, amount };
}

/**
 * Returns an amount as the contract's message. Numbers are divided several times as fast as bigints; amounts
 * and instants are mostly small enough to be exact as numbers.
 */
export function toMoney(
  currencyCode: string,
  amount: E4,
): { currencyCode: string; units: bigint; nanos: number } {
  const number = Number(amount);
  if (!Number.isSafeInteger(number))
    return { currencyCode, units: amount / 10_000n, nanos: Number(amount % 10_000n) * 100_000 };
  const units = Math.trunc(number / 10_000);
  return { currencyCode, units: BigInt(units), nanos: (number - units * 10_000) * 100_000 };
}

/** Returns an instant as the contract's message, in microseconds' precision. */
export function toTime(instant: Micros): { seconds: bigint; nanos: number } {
  const number = Number(instant);
  if (!Number.isSafeInteger(number)) {
    const micros = ((instant % 1_000_000n) + 1_000_000n) % 1_000_000n;
    return { seconds: (instant - micros) / 1_000_000n, nanos: Number(micros) * 1_000 };
  }
  const seconds = Math.floor(number / 1_000_000);
  return { seconds: BigInt(seconds), nanos: (number - seconds * 1_000_000) * 1_000 };
}

/** A message with all of its fields: leaving one out does not compile. */
export type WholeMessage<Desc extends DescMessage> = Required<
  Omit<Exclude<MessageInitShape<Desc>, MessageShape<Desc>>, "$typeName">
>;
