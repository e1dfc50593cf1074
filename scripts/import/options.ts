import { parseArgs } from "node:util";

/** The options of an import. */
export type Options = {
  /** "-" stands for standard input. */
  readonly file: string;
  readonly isItems: boolean;
  readonly url: string;
  readonly requestId: string | undefined;
  readonly resume: string | undefined;
  readonly refused: string | undefined;
};

export const help = `npm run import -- [options] FILE

Imports orders from lines of JSON, a commerce.order.v1.OrderDraft each; "-" is the standard input. What was
imported is kept in a resume file: the same command again goes on where the last one stopped, and imports
nothing twice. A row that cannot be read or is refused is listed with its line, and the others go on.

  --items            import items into orders that exist, from CSV with commas and a heading that has
                     order_id, product_id, quantity, unit_price and currency, in any order; a price is a
                     decimal such as 9.99, and other columns are left alone
  --url URL          the server (http://127.0.0.1:50051)
  --request-id UUID  what the import is known by; otherwise one is made
  --resume FILE      the resume file (FILE.resume; none for "-")
  --refused FILE     where refused rows are listed (FILE.refused; the standard error for "-")

Files are UTF-8. Lines end with LF, CRLF or CR, and have up to 1 MiB.

Exit code 0 if all rows are in, 1 if some were refused or the import stopped, 2 if the command or the file is
wrong and nothing was sent, 130, 143 or 129 if it was ended by SIGINT, SIGTERM or SIGHUP.`;

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** All zeros: the UUID of a variable that was never set. */
const nilUuid = /^[0-]+$/;

/** Reads the command line; throws if it is invalid. */
export function readOptions(): Options | "help" {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      items: { type: "boolean", default: false },
      url: { type: "string", default: "http://127.0.0.1:50051" },
      "request-id": { type: "string" },
      resume: { type: "string" },
      refused: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return "help";
  const [file, ...more] = positionals;
  if (file === undefined || more.length > 0) throw new Error("one FILE is needed; --help says more");
  if (!/^https?:$/.test(URL.parse(values.url)?.protocol ?? "")) throw new Error("--url takes an http(s) URL");
  const requestId = values["request-id"]?.toLowerCase();
  if (requestId !== undefined && (!uuid.test(requestId) || nilUuid.test(requestId)))
    throw new Error("--request-id takes a UUID, not the one of zeros");
  const beside = (suffix: string) => (file === "-" ? undefined : `${file}.${suffix}`);
  return {
    file,
    isItems: values.items,
    url: values.url,
    requestId,
    resume: values.resume ?? beside("resume"),
    refused: values.refused ?? beside("refused"),
  };
}
