import type { Connection } from "../../config.ts";
import { readDatabaseUrl } from "../../database-url.ts";
import { readSecret } from "../../secret-file.ts";
import { messageOf } from "../../system-errors.ts";

/** The server wants a password and the configuration has none. */
export class PasswordMissing extends Error {
  constructor() {
    super("it asks for a password and none is configured");
    this.name = "PasswordMissing";
  }
}

/** What a session authenticates with. The password's function is called if the server asks for one. */
type Credentials = { readonly user: string; readonly password: string | (() => Promise<string>) };

/**
 * Returns the credentials for a new connection: from a file they are read each time, because they may have
 * been replaced since. Those that cannot be read fail the connection that needs them, with an Error of one
 * line that names the variable.
 */
export function readCredentials({ user, password = "", secretFile }: Connection): Credentials {
  if (!secretFile) return toCredentials({ user, password });
  try {
    const text = readSecret(secretFile.path);
    if (secretFile.holds === "password") return toCredentials({ user, password: text });
    const { parts } = readDatabaseUrl(text);
    if (parts === undefined || parts.user === "") throw new TypeError("it holds no database URL with a user");
    return toCredentials(parts);
  } catch (cause) {
    const words = `${secretFile.name} cannot be used: ${secretFile.path}: ${messageOf(cause)}`;
    return { user, password: () => Promise.reject(new Error(words, { cause })) };
  }
}

function toCredentials({
  user,
  password,
}: {
  readonly user: string;
  readonly password: string;
}): Credentials {
  return { user, password: password === "" ? () => Promise.reject(new PasswordMissing()) : password };
}
