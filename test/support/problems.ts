import { ConfigError, parseConfig } from "../../src/config.ts";

/** The lines of the error about an environment; none where it is right. */
export function findProblems(env: Readonly<Record<string, string>>): string[] {
  try {
    parseConfig(env);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message.split("\n  ").slice(1);
  }
}
