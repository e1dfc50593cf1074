import type { Config } from "./types.ts";

/** The configuration for the log: secrets are replaced, TLS material is left out. */
export function redactedConfig(config: Config): object {
  if (config.database.kind === "embedded") return config;
  const { password, ssl, ...connection } = config.database.connection;
  const hidden = {
    ...connection,
    ...(password !== undefined && { password: "[redacted]" }),
    ssl: ssl !== false,
  };
  return { ...config, database: { ...config.database, connection: hidden } };
}
