import { message, query, readStrings, type Message } from "../wire.ts";
import { translate, type Translation } from "./translate.ts";

/** What a client sends up to Sync, or as a simple Query, with the statements that it is about. */
export type Exchange = {
  readonly messages: readonly Message[];
  /** In the order of the messages; statements of a session are known by the names it has given to them. */
  readonly translations: readonly Translation[];
  readonly isSimple: boolean;
  /** What a client calls the query that runs. */
  readonly text: string;
};

/** The statements that a session has prepared, by name. */
export type Prepared = Map<string, { readonly text: string; readonly translation: Translation }>;

export function readExchange(messages: readonly Message[], prepared: Prepared): Exchange {
  const translations: Translation[] = [];
  let text = "";
  for (const { type, bytes } of messages) {
    if (type === "Q") {
      text = readStrings(bytes)[0];
      translations.push(translate(text));
    } else if (type === "P") {
      const [name, parsed] = readStrings(bytes);
      text = parsed;
      prepared.set(name, { text, translation: translate(text) });
      translations.push(translate(text));
    } else if (type === "B") {
      const found = prepared.get(readStrings(bytes)[1]);
      text = found?.text ?? "";
      if (found && !translations.includes(found.translation)) translations.push(found.translation);
    }
  }
  return { messages, translations, isSimple: messages.at(-1)!.type === "Q", text };
}

/** The messages as PostgreSQL is to get them; `fill` puts in what is known when they are sent. */
export function toUpstream({ messages }: Exchange, fill: (text: string) => string): Buffer {
  return Buffer.concat(
    messages.map(({ type, bytes }) => {
      if (type === "Q") return query(fill(translate(readStrings(bytes)[0]).text));
      if (type !== "P") return bytes;
      const [name, text] = readStrings(bytes);
      const behind = 5 + Buffer.byteLength(name) + 1 + Buffer.byteLength(text) + 1;
      const head = Buffer.from(`${name}\0${fill(translate(text).text)}\0`);
      return message("P", Buffer.concat([head, bytes.subarray(behind)]));
    }),
  );
}

/** The messages without those that prepare: what is run again has been prepared. */
export function withoutParse(exchange: Exchange): Exchange {
  return { ...exchange, messages: exchange.messages.filter(({ type }) => type !== "P") };
}

/** The answer to a statement that returns no rows, but for ReadyForQuery. */
export function completed({ messages, isSimple }: Exchange, tag: string): Buffer {
  const complete = message("C", `${tag}\0`);
  if (isSimple) return complete;
  const answers: Readonly<Record<string, Buffer>> = {
    P: message("1"),
    B: message("2"),
    D: message("n"),
    E: complete,
  };
  return Buffer.concat(messages.map(({ type }) => answers[type] ?? Buffer.alloc(0)));
}
