import type { Config, Connection } from "./types.ts";

/** The configuration for the log: secrets are replaced, TLS material is left out. */
export function redactedConfig(config: Config): object {
  const { database } = config;
  if (database.kind === "embedded") return config;
  const { connection, replica } = database;
  const hidden = { connection: hide(connection), ...(replica && { replica: hide(replica) }) };
  return { ...config, database: { ...database, ...hidden } };
}

function hide({ password, ssl, ...connection }: Connection): object {
  return {
    ...connection,
    ...(password !== undefined && { password: "[redacted]" }),
    ssl: ssl !== false,
  };
}
