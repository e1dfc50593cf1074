import { Code, type ConnectError } from "@connectrpc/connect";
import { type Reason, reasons } from "../../src/errors.ts";
import { ErrorInfoSchema, RetryInfoSchema } from "../../src/gen/google/rpc/error_details_pb.ts";
import { CODES } from "../../src/rpc/status.ts";

/** What the catalogue of reasons does not say of an error that a caller has seen: nothing, or a defect. */
export function findUncatalogued(error: ConnectError): string[] {
  const [info] = error.findDetails(ErrorInfoSchema);
  if (info === undefined) return [];
  if (!(info.reason in reasons)) return [`${info.reason} is not in the catalogue`];
  const reason = info.reason as Reason;
  const { kind, kindWithKey = kind, repeat, metadata = {} } = reasons[reason];
  const codes = [CODES[kind], CODES[kindWithKey]];
  const required = Object.keys(metadata).filter((key) => metadata[key] === "always");
  const hasRetry = error.findDetails(RetryInfoSchema).length > 0;
  return [
    // A library chooses the code of TRANSPORT.
    ...(reason === "TRANSPORT" || codes.includes(error.code) ? [] : [`${reason} has ${Code[error.code]}`]),
    ...(hasRetry && repeat === "never" ? [`${reason} has a RetryInfo`] : []),
    ...Object.keys(info.metadata).flatMap((key) => (key in metadata ? [] : [`${reason} has ${key}`])),
    ...required.flatMap((key) => (key in info.metadata ? [] : [`${reason} lacks ${key}`])),
  ];
}
