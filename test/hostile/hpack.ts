// As much of HPACK (RFC 7541) as a peer needs that keeps no dynamic table: each field is sent as a literal,
// and what the server answers, which it was told to do without a table, is read.

/** The name and the value of a header or a trailer, in the order of the wire. */
export type Field = readonly [name: string, value: string];

/** Names of the static table by index, and the value where the entry has one that servers answer. */
const STATIC = (
  ":authority :method=GET :method=POST :path=/ :path=/index.html :scheme=http :scheme=https " +
  ":status=200 :status=204 :status=206 :status=304 :status=400 :status=404 :status=500 " +
  "accept-charset accept-encoding accept-language accept-ranges accept access-control-allow-origin " +
  "age allow authorization cache-control content-disposition content-encoding content-language " +
  "content-length content-location content-range content-type cookie date etag expect expires from " +
  "host if-match if-modified-since if-none-match if-range if-unmodified-since last-modified link " +
  "location max-forwards proxy-authenticate proxy-authorization range referer refresh retry-after " +
  "server set-cookie strict-transport-security transfer-encoding user-agent vary via " +
  "www-authenticate"
)
  .split(" ")
  .map((entry): Field => {
    const [name = "", value = ""] = entry.split("=");
    return [name, value];
  });

/**
 * The printable characters by the length of their codes, of which each length has the ones that follow those
 * of the length before: the code is canonical.
 */
const SYMBOLS: Readonly<Record<number, string>> = {
  5: "012aceiost",
  6: " %-./3456789=A_bdfghlmnpru",
  7: ":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz",
  8: "&*,;XZ",
  10: '!"()?',
  11: "'+|",
  12: "#>",
  13: "\0$@[]~",
  14: "^}",
  15: "<`{",
  19: "\\",
};

/** Writes fields as literals without indexing and without Huffman's code. */
export function encodeFields(fields: readonly Field[]): Buffer {
  return Buffer.concat(
    fields.flatMap(([name, value]) => [Buffer.of(0), encodeText(name), encodeText(value)]),
  );
}

/** A string as a literal. */
export function encodeText(text: string): Buffer {
  const bytes = Buffer.from(text, "latin1");
  return Buffer.concat([encodeInteger(bytes.length, 7), bytes]);
}

/** An integer behind a prefix of so many bits, of which those before it are zero. */
export function encodeInteger(value: number, bits: number): Buffer {
  const most = 2 ** bits - 1;
  if (value < most) return Buffer.of(value);
  const bytes = [most];
  let rest = value - most;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return Buffer.of(...bytes, rest);
}

/** Reads a block of fields. */
export function decodeFields(block: Buffer): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const integer = (bits: number): number => {
    const most = 2 ** bits - 1;
    let value = block[at++]! & most;
    if (value < most) return value;
    for (let factor = 1; at < block.length; factor *= 128) {
      const byte = block[at++]!;
      value += (byte & 127) * factor;
      if (byte < 128) break;
    }
    return value;
  };
  const text = (): string => {
    const isCoded = block[at]! >= 128;
    const length = integer(7);
    const bytes = block.subarray(at, (at += length));
    return isCoded ? decodeHuffman(bytes) : bytes.toString("latin1");
  };
  while (at < block.length) {
    const first = block[at]!;
    if (first >= 128) fields.push(STATIC[integer(7) - 1] ?? ["", ""]);
    // The size of the table, which is none.
    else if (first >= 32 && first < 64) integer(5);
    else {
      const index = integer(first >= 64 ? 6 : 4);
      fields.push([index === 0 ? text() : (STATIC[index - 1]?.[0] ?? ""), text()]);
    }
  }
  return fields;
}

function decodeHuffman(bytes: Buffer): string {
  let text = "";
  let [code, length, first] = [0, 0, 0];
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    code = code * 2 + ((bytes[bit >> 3]! >> (7 - (bit & 7))) & 1);
    length += 1;
    first *= 2;
    const symbols = SYMBOLS[length] ?? "";
    if (code - first < symbols.length) {
      text += symbols[code - first];
      [code, length, first] = [0, 0, 0];
    } else first += symbols.length;
    // No server says in ASCII what has a longer code.
    if (length > 19) return `${text}?`;
  }
  return text;
}
