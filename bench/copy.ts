import type pg from "pg";

/** What node-postgres calls while a COPY runs; it has no method for it. */
type Wire = {
  query(text: string): void;
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
};

/** Copies rows in text format into a table, `name (column, …)`. */
export async function copyRows(client: pg.PoolClient, table: string, text: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const copy = {
    submit: (wire: Wire) => wire.query(`copy ${table} from stdin`),
    handleCopyInResponse(wire: Wire) {
      wire.sendCopyFromChunk(Buffer.from(text));
      wire.endCopyFrom();
    },
    handleCommandComplete() {},
    handleReadyForQuery: () => resolve(),
    handleError: reject,
  };
  client.query(copy as unknown as pg.Submittable);
  return promise;
}
