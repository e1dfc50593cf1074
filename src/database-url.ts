/** A database URL as it is written; see `readDatabaseUrl`. */
type Written = {
  /** Null if it is none. */
  readonly url: URL | null;
  /** Its decoded parts; undefined if they cannot be decoded. */
  readonly parts: Record<"host" | "user" | "password" | "database", string> | undefined;
  /** All hosts but the first, which WHATWG's parser does not know, with commas between them. */
  readonly others: string | undefined;
};

/**
 * Takes a database URL apart. WHATWG's parser rejects a user without a host, as in
 * postgres://app@/shop?host=/run/postgresql, so that a placeholder host is inserted while parsing.
 */
export function readDatabaseUrl(text: string): Written {
  const [, before = text, others, after = ""] =
    /^([a-z]+:\/\/(?:[^/?#]*@)?[^,/?#@]*)(?:,([^/?#@]*))?([/?#].*)?$/.exec(text) ?? [];
  const absent = "absent.invalid";
  const url = URL.parse((before + after).replace(/^([a-z]+:\/\/[^/?#]*@)(?=(:\d+)?\/)/, `$1${absent}`));
  if (url === null) return { url, parts: undefined, others };
  try {
    const host = decodeURIComponent(url.hostname.replace(/^\[(.*)\]$/, "$1"));
    const parts = {
      host: host === absent ? "" : host,
      user: decodeURIComponent(url.username),
      password: decodeURIComponent(url.password),
      database: decodeURIComponent(url.pathname.slice(1)),
    };
    return { url, parts, others };
  } catch {
    return { url, parts: undefined, others };
  }
}
