import type { Socket } from "node:net";

/** A message of PostgreSQL's protocol: its type, "" for the first one of a client, and all its bytes. */
export type Message = { readonly type: string; readonly bytes: Buffer };

/** Splits what arrives on a socket into messages. A `client` begins with a message without a type. */
export async function* readMessages(socket: Socket, sender: "client" | "server"): AsyncGenerator<Message> {
  const split = createSplitter(sender);
  // Else the end of the loop would destroy the socket, on which there may be something to write.
  const chunks: AsyncIterable<Buffer> = socket.iterator({ destroyOnReturn: false });
  for await (const chunk of chunks) yield* split(chunk);
}

/** Takes what arrives piece by piece, and returns the messages that are whole by then. */
export function createSplitter(sender: "client" | "server"): (chunk: Buffer) => Generator<Message> {
  let typeLength = sender === "client" ? 0 : 1;
  let rest = Buffer.alloc(0);
  return function* split(chunk) {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= typeLength + 4) {
      const length = typeLength + rest.readInt32BE(typeLength);
      if (rest.length < length) break;
      const bytes = rest.subarray(0, length);
      rest = rest.subarray(length);
      const type = bytes.toString("latin1", 0, typeLength);
      typeLength = 1;
      yield { type, bytes };
    }
  };
}

/** Whether a client's first message is one that asks to cancel what another connection executes. */
export function isCancelRequest({ bytes }: Message): boolean {
  return bytes.readInt32BE(4) === 80877102;
}

/** A client's first message without one of its parameters, which are names and values in turn. */
export function withoutParameter({ bytes }: Message, name: string): Buffer {
  const words = bytes.toString("utf8", 8).split("\0");
  const at = words.findIndex((word, index) => index % 2 === 0 && word === name);
  const body = Buffer.from((at === -1 ? words : words.toSpliced(at, 2)).join("\0"));
  const head = Buffer.from(bytes.subarray(0, 8));
  head.writeInt32BE(8 + body.length, 0);
  return Buffer.concat([head, body]);
}

/** Whether the server, after a client's message, says that it is ready for more (Query, Sync). */
export function endsExchange({ type }: Message): boolean {
  return type === "Q" || type === "S";
}

/** The name of the prepared statement that a client executes, or the text of one without a name. */
export function readStatement(messages: readonly Message[]): string {
  const find = (type: string): Buffer | undefined => messages.find((each) => each.type === type)?.bytes;
  const [simple, bind, parse] = [find("Q"), find("B"), find("P")];
  if (simple) return readStrings(simple)[0];
  return (bind && readStrings(bind)[1]) || (parse && readStrings(parse)[1]) || "";
}

/** The two strings that a message begins with; what follows may be long and is not read. */
export function readStrings(bytes: Buffer): [string, string] {
  const first = bytes.indexOf(0, 5);
  const second = Math.max(bytes.indexOf(0, first + 1), first + 1);
  return [bytes.toString("utf8", 5, first), bytes.toString("utf8", first + 1, second)];
}

/** Of ReadyForQuery: "I" outside of a transaction, "T" inside of one, "E" inside of a failed one. */
export type Status = "I" | "T" | "E";

export function readStatus({ bytes }: Message): Status {
  return bytes.toString("latin1", 5) as Status;
}

export function readyForQuery(status: Status): Buffer {
  return message("Z", status);
}

export function query(text: string): Buffer {
  return message("Q", `${text}\0`);
}

/** An error; after one that is FATAL the server closes the connection. */
export function errorResponse(severity: "ERROR" | "FATAL", code: string): Buffer {
  const fields = [`S${severity}`, `V${severity}`, `C${code}`, `Mfrom the fault proxy: ${code}`, ""];
  return message("E", `${fields.join("\0")}\0`);
}

/** A message of a type that is one letter. */
export function message(type: string, body: string | Buffer = ""): Buffer {
  const bytes = Buffer.concat([Buffer.from(`${type}    `), Buffer.from(body)]);
  bytes.writeInt32BE(bytes.length - 1, 1);
  return bytes;
}
