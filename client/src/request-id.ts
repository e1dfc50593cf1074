import { traitsOf } from "./traits.ts";
import type { DescMethod } from "@bufbuild/protobuf";

/**
 * Returns the request with an idempotency key: the caller's, or one that is made. The caller's object is not
 * changed.
 */
export function withRequestId<Request extends object>(
  method: DescMethod,
  request: Request,
): { readonly request: Request; readonly requestId: string | undefined } {
  const { requestIdField: field } = traitsOf(method);
  if (field === undefined) return { request, requestId: undefined };
  const given: unknown = Reflect.get(request, field);
  if (typeof given === "string" && given !== "") return { request, requestId: given };
  const requestId = createRequestId();
  return { request: { ...request, [field]: requestId }, requestId };
}

/** Makes a random UUID. `crypto.randomUUID()` is not there for pages that came without TLS. */
export function createRequestId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = bytes.reduce((text, byte, index) => {
    // The version, which is 4, and the variant.
    if (index === 6) return text + toHex((byte & 0x0f) | 0x40);
    return text + toHex(index === 8 ? (byte & 0x3f) | 0x80 : byte);
  }, "");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

const toHex = (byte: number): string => byte.toString(16).padStart(2, "0");
