import { randomBytes, randomInt } from "node:crypto";

/** A session of the cluster. */
export type Session = {
  /** 32 hexadecimal digits: when it began, and in the last 32 bits its node. */
  readonly id: string;
  readonly node: number;
  /** As in BackendKeyData. */
  readonly key: Key;
  readonly user: string;
  application: string;
  /** What it executes, and the number of that. */
  query: string | undefined;
  queryId: string;
  /** Asks the PostgreSQL behind to stop what the session executes. */
  cancel(): Promise<void>;
  /** Ends the session there and here. */
  end(): Promise<void>;
};

export type Key = { readonly processId: number; readonly secret: number };

let logical = 0;

/**
 * An id as CockroachDB makes it: 64 bits of a clock's nanoseconds, 32 of its logical part, and the node
 * (https://github.com/cockroachdb/cockroach/blob/master/pkg/sql/clusterunique/id.go).
 */
export function createSessionId(node: number): string {
  const digits = (value: bigint, length: number): string => value.toString(16).padStart(length, "0");
  const wall = BigInt(Date.now()) * 1_000_000n + BigInt(randomInt(1_000_000));
  return `${digits(wall, 16)}${digits(BigInt(logical++), 8)}${digits(BigInt(node), 8)}`;
}

/**
 * A key as CockroachDB packs it: a bit 0, 11 bits of the node and 52 of chance
 * (https://github.com/cockroachdb/cockroach/blob/master/pkg/sql/pgwire/pgwirecancel/backend_key_data.go).
 */
export function createKey(node: number): Key {
  const processId = (node << 20) | (randomBytes(3).readUIntBE(0, 3) & 0xf_ff_ff);
  return { processId, secret: randomBytes(4).readInt32BE() };
}

/** Which node a key is of. */
export function nodeOfKey({ processId }: Key): number {
  return processId >>> 20;
}
