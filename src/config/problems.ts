import { systemCodeOf } from "../system-errors.ts";

/**
 * The configuration is wrong. The message is for the operator: one line per problem, naming the variables.
 */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(["The configuration is wrong:", ...problems].join("\n  "));
    this.name = "ConfigError";
    this.problems = problems;
  }
}

/** Returns why a configured file cannot be used: it cannot be read, or it contains no `kind`. */
export function fileProblem(path: string, error: unknown, kind: string): string {
  const code = systemCodeOf(error) ?? "";
  return /^E[A-Z0-9]+$/.test(code) ? `${path} cannot be read (${code})` : `${path} holds no ${kind}`;
}
