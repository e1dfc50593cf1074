import { createHmac, type KeyObject, timingSafeEqual } from "node:crypto";
import { invalid } from "../errors.ts";
import type { Cursor } from "../db/cursor.ts";
import type { PageKeys } from "./page-keys.ts";
import { toId } from "./parse.ts";
import { last } from "../lists.ts";

/**
 * Creates and parses page tokens: a cursor with a signature that binds it to the arguments of the list
 * (AIP-158).
 */
export type Pages = {
  /** Returns the cursor of a token, or `first` for an empty one. `scope` is the method and its filters. */
  parse(token: string, scope: readonly string[], first?: Cursor): Promise<Cursor>;
  /** Returns the token of the page after a cursor. */
  toToken(cursor: Cursor, scope: readonly string[]): string;
};

/** Above all instants and ids: the start of a list from the newest to the oldest. */
const newest: Cursor = { createTime: 253402300799000000n, id: "ffffffff-ffff-ffff-ffff-ffffffffffff" };

const cursorBytes = 24;
/** The number of the period whose key signed. */
const periodBytes = 2;
/** 128 bits cannot be guessed, and keep the token short. */
const signatureBytes = 16;

/** Tokens from before there were periods end with the signature. */
const wholeBytes = [cursorBytes + signatureBytes, cursorBytes + signatureBytes + periodBytes];

/** Creates page tokens whose keys all replicas share. */
export function createPages(keys: PageKeys): Pages {
  const sign = (key: KeyObject, cursor: Buffer, scope: readonly string[]): Buffer =>
    createHmac("sha256", key)
      .update(JSON.stringify(scope))
      .update(cursor)
      .digest()
      .subarray(0, signatureBytes);

  return {
    async parse(token, scope, first = newest) {
      if (token === "") return first;
      const bytes = Buffer.from(token, "base64url");
      const cursor = bytes.subarray(0, cursorBytes);
      const signature = bytes.subarray(cursorBytes, cursorBytes + signatureBytes);
      const isWhole = wholeBytes.includes(bytes.length) && bytes.toString("base64url") === token;
      const period = bytes.length === wholeBytes[1] ? bytes.readUInt16BE(wholeBytes[0]) : undefined;
      const key = isWhole ? await keys.find(period) : undefined;
      const intact = key !== undefined && timingSafeEqual(signature, sign(key, cursor, scope));
      if (!intact)
        throw invalid(
          "page_token",
          "is not a token that this method returned for these arguments",
          "INVALID_PAGE_TOKEN",
        );
      return { createTime: cursor.readBigInt64BE(0), id: toUuid(cursor.subarray(8)) };
    },
    toToken(cursor, scope) {
      const bytes = Buffer.alloc(cursorBytes + signatureBytes + periodBytes);
      bytes.writeBigInt64BE(cursor.createTime, 0);
      bytes.write(toId(cursor.id).replaceAll("-", ""), 8, "hex");
      const { key, period } = keys.current();
      sign(key, bytes.subarray(0, cursorBytes), scope).copy(bytes, cursorBytes);
      bytes.writeUInt16BE(period, cursorBytes + signatureBytes);
      return bytes.toString("base64url");
    },
  };
}

function toUuid(bytes: Buffer): string {
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** The default page size: a screen or two. */
const pageSizeDefault = 50;

/** The largest page: except for orders with their items, the largest entries fit into a message of 4 MiB. */
const pageSizeMax = 1_000;

/** Converts the requested page size; the contract's rules exclude negative ones. */
export function toPageSize(asked: number): number {
  return Math.min(asked === 0 ? pageSizeDefault : asked, pageSizeMax);
}

/**
 * Cuts off the entry that was read beyond the page, which shows that there is a next one, and creates its
 * token.
 */
export function toPage<T>(
  entries: readonly T[],
  size: number,
  toNextToken: (last: T) => string,
): { entries: readonly T[]; nextPageToken: string } {
  if (entries.length <= size) return { entries, nextPageToken: "" };
  const page = entries.slice(0, size);
  return { entries: page, nextPageToken: toNextToken(last(page)) };
}
