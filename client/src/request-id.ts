import { getOption, hasOption, type DescMethod } from "@bufbuild/protobuf";
import { policy } from "./gen/commerce/options/v1/options_pb.ts";

/**
 * The name of the field with a method's idempotency key (AIP-155), as in TypeScript; undefined if it has
 * none.
 */
export function findRequestIdField(method: DescMethod): string | undefined {
  const name = hasOption(method, policy) ? getOption(method, policy).idempotencyKeyField : "";
  return method.input.fields.find((field) => field.name === name)?.localName;
}

/**
 * Returns the request with an idempotency key: the caller's, or one that is made. The caller's object is not
 * changed.
 */
export function withRequestId<Request extends object>(
  method: DescMethod,
  request: Request,
): { readonly request: Request; readonly requestId: string | undefined } {
  const field = findRequestIdField(method);
  if (field === undefined) return { request, requestId: undefined };
  const given: unknown = Reflect.get(request, field);
  if (typeof given === "string" && given !== "") return { request, requestId: given };
  const requestId = createRequestId();
  return { request: { ...request, [field]: requestId }, requestId };
}

/** Makes a random UUID. `crypto.randomUUID()` is not there for pages that came without TLS. */
export function createRequestId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = Array.from(bytes, (byte, index) => {
    if (index === 6) return (byte & 0x0f) | 0x40;
    return index === 8 ? (byte & 0x3f) | 0x80 : byte;
  }).map((byte) => byte.toString(16).padStart(2, "0"));
  const part = (from: number, to: number): string => hex.slice(from, to).join("");
  return `${part(0, 4)}-${part(4, 6)}-${part(6, 8)}-${part(8, 10)}-${part(10, 16)}`;
}
