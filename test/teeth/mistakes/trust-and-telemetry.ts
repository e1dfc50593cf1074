import type { Mutation } from "../mutation.ts";

const auth = "src/rpc/auth.ts";
const calls = "src/telemetry/calls.ts";
const validation = "src/rpc/validation.ts";

/** Mistakes in who may call, and in what is told about calls. */
export const trustAndTelemetry: readonly Mutation[] = [
  {
    file: auth,
    what: "any scope of several is enough",
    from: 'if (missing !== "") {',
    to: 'if (scopes.length > 0 && missing.split(" ").length === scopes.length && missing !== "") {',
    tests: ["test/auth.test.ts"],
  },
  {
    file: auth,
    what: "a method without a policy is open",
    from: "if (scopes === undefined) {",
    to: "if (scopes === undefined) return;\n  if (scopes === null) {",
    tests: ["test/auth.test.ts"],
  },
  {
    file: auth,
    what: "a token that never expires is taken",
    from: 'sub === "" || exp === undefined',
    to: 'sub === ""',
    tests: ["test/auth.test.ts"],
  },
  {
    file: auth,
    what: "a token that has expired is remembered",
    from: "if (entry === undefined || now() < entry.untilMs) return entry?.identity;",
    to: "if (entry) return entry.identity;",
    tests: ["test/auth.test.ts"],
  },
  {
    file: auth,
    what: "all tokens are remembered",
    from: "if (oldest !== undefined && entries.size >= max) entries.delete(oldest);",
    to: "",
    tests: ["test/auth.test.ts"],
  },
  {
    file: auth,
    what: "a key file may be the issuer's private key",
    from: 'if (/PRIVATE KEY|"d"\\s*:/.test(text))',
    to: "if (false)",
    tests: ["test/auth-keys.test.ts"],
  },
  {
    file: auth,
    what: "the issuer may take as long as it likes to answer",
    from: ", { timeoutDuration: msMax }",
    to: ", { timeoutDuration: 3_600_000 }",
    tests: ["test/auth-keys.test.ts"],
  },
  {
    file: calls,
    what: "a call that began is not counted",
    from: "this.#count.begin();",
    to: "",
    tests: ["test/pipeline.test.ts", "test/service/probes.test.ts"],
  },
  {
    file: calls,
    what: "probes are lines in the log",
    from: "if (quiet || !logger.isLevelEnabled(level)) return;",
    to: "if (!logger.isLevelEnabled(level)) return;",
    tests: ["test/log-lines.test.ts"],
  },
  {
    file: "src/telemetry/logger.ts",
    what: "passwords that are logged by mistake are in the log",
    from: 'redact: ["password", "authorization", "*.password", "*.authorization"],',
    to: "",
    tests: ["test/log-lines.test.ts"],
  },
  {
    file: calls,
    what: "calls that a limit refused are not counted by it",
    from: "    if (error) this.#method.onError(error);\n",
    to: "",
    tests: ["test/telemetry.test.ts", "test/limit-counts.test.ts"],
  },
  {
    file: "src/telemetry/error-counts.ts",
    what: "connections that a limit refused are not counted by it",
    from: "      onError(error);\n",
    to: "",
    tests: ["test/telemetry.test.ts", "test/limit-counts.test.ts"],
  },
  {
    file: "src/telemetry/error-fields.ts",
    what: "a value that the database cannot take is in the log",
    from: 'code.startsWith("22")',
    to: 'code.startsWith("99")',
    tests: ["test/telemetry.test.ts"],
  },
  {
    file: "src/telemetry/tracing.ts",
    what: "spans are not sent at the end",
    from: "const flushed = provider.shutdown()",
    to: "const flushed = Promise.resolve()",
    tests: ["test/telemetry.test.ts", "test/tracing.test.ts"],
  },
  {
    file: "src/telemetry/spans.ts",
    what: "the caller's trace is not continued",
    from: "propagation.extract(ROOT_CONTEXT, header, headerGetter)",
    to: "ROOT_CONTEXT",
    tests: ["test/telemetry.test.ts"],
  },
  {
    file: "src/telemetry/tracing.ts",
    what: "a collector that does not answer holds up the end",
    from: 'const late = sleep(exportMsMax, "late", { ref: false });',
    to: "const late = new Promise<string>(() => {});",
    tests: ["test/tracing.test.ts"],
  },
  {
    file: validation,
    what: "an answer tells of all violations, however many",
    from: "violations.slice(0, bounds.violations.max)",
    to: "violations",
    tests: ["test/violations.test.ts"],
  },
  {
    file: validation,
    what: "a violation is told in the words of its rule",
    from: "description: plainly[ruleId] ?? message,",
    to: "description: message,",
    tests: ["test/violations.test.ts"],
  },
];
