import { invalid } from "../errors.ts";

/** Returns the etag of a version, quoted as in RFC 9110. */
export function toEtag(version: bigint): string {
  return `"${version}"`;
}

/** Returns the version of an etag, undefined for an empty one. Throws for an etag of another form. */
export function parseVersion(field: string, etag: string): bigint | undefined {
  if (etag === "") return undefined;
  const version = /^"([1-9]\d{0,17})"$/.exec(etag)?.[1];
  if (version !== undefined) return BigInt(version);
  throw invalid(
    field,
    etag === "*"
      ? "does not accept *: leave the field empty for any version"
      : 'must be an etag that this service has answered, such as "3", with its quotes',
  );
}
