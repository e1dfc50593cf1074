import type { Mutation } from "../mutation.ts";

const connection = "src/db/engine/connection.ts";
const connector = "src/db/engine/connector.ts";
const configured = "src/config/connection.ts";
const cancel = "src/db/engine/cancel-request.ts";
const settings = ["test/service/session-settings.test.ts"];
const reading = ["test/config-database.test.ts"];

/** Mistakes in how connections are configured, looked after, cancelled and given up. */
export const connectionMutations: readonly Mutation[] = [
  {
    file: connection,
    what: "instants come in the time zone of the database",
    from: '{ datestyle: "ISO", timezone: "UTC" }',
    to: '{ datestyle: "ISO" }',
    tests: settings,
  },
  {
    file: connection,
    what: "instants come in the form of the database",
    from: '{ datestyle: "ISO", timezone: "UTC" }',
    to: '{ timezone: "UTC" }',
    tests: settings,
  },
  {
    file: connection,
    what: "options of the configuration undo our settings",
    from: "[...(options === undefined ? [] : [options]), ...own]",
    to: "[...own, ...(options === undefined ? [] : [options])]",
    tests: ["test/reach.test.ts"],
  },
  {
    file: connection,
    what: "a start waits for a database that does not answer",
    from: "    connectionTimeoutMillis: connectMsMax,\n",
    to: "",
    tests: settings,
  },
  {
    file: connection,
    what: "a start that is ended goes on to connect",
    from: 'signal?.addEventListener("abort", abandon);',
    to: "",
    tests: settings,
  },
  {
    file: connector,
    what: "a connection that was idle for long is used as it is",
    from: "(isTrusted || (await isAlive(client, deadline)))",
    to: "(isTrusted || true)",
    tests: ["test/service/pool.test.ts"],
  },
  {
    file: connector,
    what: "a connection with an open transaction goes back",
    from: 'const isSound = sound && client.getTransactionStatus() === "I";',
    to: "const isSound = sound;",
    tests: ["test/service/pool.test.ts"],
  },
  {
    file: connector,
    what: "what was sent on a connection that was given up arrives later",
    from: "else socket.resetAndDestroy();",
    to: "else socket.destroySoon();",
    tests: ["test/service/away.test.ts"],
  },
  {
    file: connector,
    what: "old plans are used again",
    from: "if (session && session.madeAt > renewedAt) {",
    to: "if (session) {",
    tests: ["test/service/late-connections.test.ts"],
  },
  {
    file: connector,
    what: "a connection that does not say which session it has is waited for",
    from: "(await inTime(identifySession(client, engine), verifyMsMax))",
    to: "(await identifySession(client, engine))",
    tests: ["test/service/sessions.test.ts"],
  },
  {
    file: connector,
    what: "a connection that comes too late stays taken",
    from: "(late) => late.release()",
    to: "() => {}",
    tests: ["test/service/late-connections.test.ts"],
  },
  {
    file: "src/db/engine/deadline.ts",
    what: "a far deadline is one that is over",
    from: "Math.min(Math.max(deadlineMs - Date.now(), 0) + signalSlackMs, 2 ** 31 - 1)",
    to: "Math.max(deadlineMs - Date.now(), 0) + signalSlackMs",
    tests: ["test/abandonable-late.test.ts"],
  },
  {
    file: cancel,
    what: "a cancellation is of another session",
    from: "request.writeInt32BE(secretKey, 12);",
    to: "",
    tests: ["test/cancel.test.ts"],
  },
  {
    file: cancel,
    what: "a cancellation goes to another server of the same name",
    from: "net.connect(port, own.stream.remoteAddress ?? host)",
    to: "net.connect(port, host)",
    tests: ["test/cancel.test.ts"],
  },
  {
    file: cancel,
    what: "the key of a session goes in plain text where TLS is refused",
    from: "      socket.destroy();\n      return;",
    to: "      socket.end(request);\n      return;",
    tests: ["test/cancel.test.ts"],
  },
  {
    file: cancel,
    what: "a cancellation that is not taken is waited for",
    from: "setTimeout(() => socket.destroy(), cancelMsMax)",
    to: "setTimeout(() => {}, cancelMsMax)",
    tests: ["test/cancel.test.ts"],
  },
  {
    file: cancel,
    what: "the key of a session goes in plain text",
    from: "if (connection.ssl === false) socket.end(request);",
    to: "if (!connection.user.includes(String(connection.ssl))) socket.end(request);",
    tests: ["test/cancel.test.ts"],
  },
  {
    file: configured,
    what: "sslmode=require with an authority trusts any other",
    from: 'mode !== "require" || ca !== undefined',
    to: 'mode === "verify-full"',
    tests: reading,
  },
  {
    file: configured,
    what: "sslmode=verify-full takes a certificate of another name",
    from: 'mode !== "verify-full" && ca !== undefined && {',
    to: "ca !== undefined && {",
    tests: reading,
  },
  {
    file: configured,
    what: "a key of another certificate is taken",
    from: "if (cert && key && !cert.parsed.checkPrivateKey(key.parsed))",
    to: "if (cert && !key)",
    tests: reading,
  },
  {
    file: configured,
    what: "sslmode=verify-ca is taken without an authority",
    from: 'if (mode === "verify-ca" && files.rootCert.path === undefined)',
    to: 'if (mode === "disable")',
    tests: reading,
  },
  {
    file: configured,
    what: "the authorities of the system are trusted whatever the name",
    from: 'if (ofSystem && mode !== "verify-full")',
    to: 'if (ofSystem && mode === "disable")',
    tests: reading,
  },
  {
    file: configured,
    what: "a certificate is taken without its key",
    from: "(files.cert.path === undefined) !== (files.key.path === undefined)",
    to: "files.cert.path === undefined && files.key.path !== undefined",
    tests: ["test/connection-config.test.ts"],
  },
  {
    file: configured,
    what: "PostgreSQL is reached by the variables of CockroachDB",
    from: 'if (values.DATABASE_ENGINE === "postgresql")',
    to: 'if (values.DATABASE_ENGINE === "cockroachdb")',
    tests: ["test/connection-config.test.ts"],
  },
];
