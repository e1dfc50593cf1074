import type pg from "pg";
import { Parser } from "pg-protocol/dist/parser.js";

/** A row that has arrived, for as long as node-postgres handles it: the next one takes its place. */
export class DataRow {
  readonly name = "dataRow";
  length = 0;
  bytes: Buffer = Buffer.alloc(0);
  /** Where the number of its columns stands, and the columns behind it. */
  start = 0;

  /** The columns as node-postgres reads rows in text. */
  get fields(): (string | null)[] {
    let at = this.start + 2;
    return Array.from({ length: this.bytes.readUInt16BE(this.start) }, () => {
      const length = this.bytes.readInt32BE(at);
      at += 4 + Math.max(0, length);
      return length < 0 ? null : this.bytes.toString("utf8", at - length, at);
    });
  }
}

const dataRow = "D".charCodeAt(0);

/** What the parser keeps without declaring it. */
type Internals = {
  parse(bytes: Buffer, told: (message: { readonly name: string }) => void): void;
  handlePacket(start: number, code: number, length: number, bytes: Buffer): { readonly name: string };
};

/** What a connection has without its type saying so. */
type Listening = {
  attachListeners(stream: NodeJS.ReadableStream): void;
  emit(name: string, message: object): void;
};

/**
 * Makes a client hear rows as bytes: node-postgres would make a text of each column, in which binary ones
 * are lost, before anything asks for it.
 */
export function hearBytes(client: pg.Client): void {
  const { connection } = client as unknown as { readonly connection: Listening };
  connection.attachListeners = (stream) => {
    const row = new DataRow();
    const parser = new Parser() as unknown as Internals;
    const { handlePacket } = parser;
    parser.handlePacket = (start, code, length, bytes) => {
      if (code !== dataRow) return handlePacket.call(parser, start, code, length, bytes);
      row.length = length;
      row.bytes = bytes;
      row.start = start;
      return row;
    };
    stream.on("data", (bytes: Buffer) => {
      parser.parse(bytes, (message) => {
        connection.emit(message.name === "error" ? "errorMessage" : message.name, message);
      });
    });
  };
}
