import { z } from "zod";
import type { Report } from "./connection.ts";
import { readSecret } from "../secret-file.ts";
import { fileProblem } from "./problems.ts";

/** The variables whose values may be in a file instead, named by a variable with `_FILE` behind. */
const secretNames = ["DATABASE_URL", "DATABASE_REPLICA_URL", "CRDB_PASSWORD"] as const;
export type SecretName = (typeof secretNames)[number];

const file = (name: SecretName) =>
  z
    .string()
    .optional()
    .describe(
      `A file that holds \`${name}\`, instead of it. Read again for each new connection to the database.`,
    );

/** The variables that name files with secrets. */
export const secretFiles = {
  DATABASE_URL_FILE: file("DATABASE_URL"),
  DATABASE_REPLICA_URL_FILE: file("DATABASE_REPLICA_URL"),
  CRDB_PASSWORD_FILE: file("CRDB_PASSWORD"),
};

/**
 * Returns the secrets of files by the names of the variables that they stand for. No problem that it reports
 * says what is in a file.
 */
export function readSecrets(
  env: Readonly<Record<string, string | undefined>>,
  report: Report,
): Partial<Record<SecretName, string>> {
  const secrets: Partial<Record<SecretName, string>> = {};
  for (const name of secretNames) {
    const path = env[`${name}_FILE`];
    if (!path) continue;
    if (env[name]) report([name, `${name}_FILE`], "are both set; set one or the other");
    try {
      secrets[name] = readSecret(path);
    } catch (error) {
      report([`${name}_FILE`], fileProblem(path, error, "text"));
    }
  }
  return secrets;
}
