import type { Mutation } from "../mutation.ts";

const embedded = "src/db/embedded/embedded.ts";
const holder = "src/db/embedded/directory-lock.ts";
const server = "src/db/embedded/postmaster.ts";
const reach = "src/db/engine/reach.ts";
const failures = "src/db/engine/connect-failures.ts";
const readiness = "src/db/migrate/readiness.ts";
const reaching = ["test/reach.test.ts"];
const ready = ["test/service/readiness.test.ts"];
const files = ["test/embedded-files.test.ts"];

/** Mistakes in how a database is started, reached and watched. */
export const startMutations: readonly Mutation[] = [
  {
    file: embedded,
    what: "every user of the machine reads the password",
    from: "{ mode: 0o600, flush: true }",
    to: "{ mode: 0o644, flush: true }",
    tests: files,
  },
  {
    file: embedded,
    what: "the files of a new cluster may not be on the disk yet",
    from: 'if (!settings.includes("fsync=off")) await runInitdb',
    to: 'if (settings.includes("fsync=off")) await runInitdb',
    tests: files,
  },
  {
    file: embedded,
    what: "the server lets everybody of the machine in",
    from: '"--auth=scram-sha-256"',
    to: '"--auth=trust"',
    tests: files,
  },
  {
    file: embedded,
    what: "a first start that was interrupted leaves its files",
    from: 'if (!name.startsWith("cluster.new-")) continue;',
    to: 'if (name.startsWith("cluster.new-")) continue;',
    tests: ["test/embedded.test.ts"],
  },
  {
    file: embedded,
    what: "a cluster that is half made looks whole",
    from: "mkdtemp(`${cluster}.new-`)",
    to: "mkdir(cluster).then(() => cluster)",
    tests: ["test/embedded.test.ts"],
  },
  {
    file: holder,
    what: "a second process takes the directory",
    from: "if (last.holder.pid > 0 && (await isAlive(last.holder)))\n        throw",
    to: "if (last.holder.pid < 0 && (await isAlive(last.holder)))\n        throw",
    tests: ["test/embedded.test.ts"],
  },
  {
    file: holder,
    what: "a process that has a dead holder's number holds its directory",
    from: "return started !== undefined && (started === holder.started ||",
    to: "return started !== undefined && (started !== undefined ||",
    tests: ["test/embedded.test.ts"],
  },
  {
    file: "src/db/embedded/launcher.ts",
    what: "a second start fails by the links that the first one has made",
    from: 'systemCodeOf(error) !== "EEXIST"',
    to: 'systemCodeOf(error) !== ""',
    tests: ["test/embedded-files.test.ts"],
  },
  {
    file: "src/db/embedded/launcher.ts",
    what: "the server is given the environment of the service",
    from: 'env: { PATH: "/usr/local/bin:/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" },',
    to: "env: process.env,",
    tests: ["test/embedded-files.test.ts"],
  },
  {
    file: server,
    what: "a predecessor that is just ending is not waited for",
    from: "  await endLeftover(data);\n",
    to: "",
    tests: ["test/embedded.test.ts"],
  },
  {
    file: server,
    what: "a lock file without a number is waited for",
    from: "if (Date.now() > start + unwrittenMsMax) return rm(file, { force: true });",
    to: "",
    tests: ["test/embedded.test.ts"],
  },
  {
    file: server,
    what: "the end of a server is not told",
    from: "disposed ? undefined : new Error(",
    to: "!disposed ? undefined : new Error(",
    tests: ["test/embedded.test.ts"],
  },
  {
    file: reach,
    what: "a pooler that drops settings is taken",
    from: 'isReplica ? "read-only mode is on" : "isolation is serializable"',
    to: 'isReplica ? "read-only mode is on" : told',
    tests: reaching,
  },
  {
    file: reach,
    what: "a pooler that hides sessions is taken",
    from: "if (rows[0]?.pid !== processID)",
    to: "if (rows[0]?.pid === undefined)",
    tests: reaching,
  },
  {
    file: reach,
    what: "a database of another encoding is taken",
    from: 'if (encoding.toUpperCase() === "UTF8") return;',
    to: "if (encoding) return;",
    tests: reaching,
  },
  {
    file: reach,
    what: "a database of another engine is taken",
    from: "if (expected !== undefined && engine !== expected)",
    to: "if (expected !== undefined && !engine)",
    tests: ["test/migrations.test.ts"],
  },
  {
    file: failures,
    what: "it is waited for a password to become right",
    from: "if (server !== undefined) {",
    to: "if (server === undefined && message === code) {",
    tests: reaching,
  },
  {
    file: failures,
    what: "a missing password is told as a failure of the network",
    from: "if (error instanceof PasswordMissing) {",
    to: 'if (error instanceof PasswordMissing && code !== "") {',
    tests: reaching,
  },
  {
    file: failures,
    what: "a server that starts is not waited for",
    from: 'disposition !== "final" || server',
    to: "server",
    tests: ["test/connect-failures.test.ts"],
  },
  {
    file: failures,
    what: "a port where nothing listens yet is not waited for",
    from: '{ says: "nothing listens there", passing: true }',
    to: '{ says: "nothing listens there", passing: false }',
    tests: ["test/connect-failures.test.ts"],
  },
  {
    file: readiness,
    what: "a standby is ready",
    from: 'if (answer.readOnly === "on") return',
    to: 'if (answer.readOnly === "yes") return',
    tests: ["test/service/away.test.ts"],
  },
  {
    file: readiness,
    what: "a database that lacks a migration is ready",
    from: "if (pending) return `migration",
    to: "if (!migrations) return `migration",
    tests: ready,
  },
  {
    file: readiness,
    what: "a database that does not answer is there",
    from: '"the database does not answer" : error.message, isAway: true }',
    to: '"the database does not answer" : error.message, isAway: !isLate }',
    tests: ready,
  },
  {
    file: readiness,
    what: "any error says that the disk is full",
    from: "if (code === sqlstate.diskFull) fullUntil",
    to: "if (code) fullUntil",
    tests: ready,
  },
  {
    file: readiness,
    what: "a disk is full for ever",
    from: "fullUntil = Date.now() + fullMs",
    to: "fullUntil = Infinity",
    tests: ready,
  },
  {
    file: "src/db/engine/statement.ts",
    what: "a statement that writes passes for one that reads",
    from: "readsOnly: /^\\s*select\\b/.test(text)",
    to: "readsOnly: /select\\b/.test(text)",
    tests: ["test/statements.test.ts"],
  },
  {
    file: "src/db/engine/statement.ts",
    what: "two statements have one name",
    from: "if (statements.has(name) || commands.has(name)) throw",
    to: "if (commands.has(name)) throw",
    tests: ["test/statements.test.ts"],
  },
  {
    file: "src/db/engine/statement.ts",
    what: "what is sent to one engine is listed for both",
    from: "(only.engine ?? engine) === engine",
    to: "(only.engine ?? engine) !== undefined",
    tests: ["test/statements.test.ts"],
  },
  {
    file: "scripts/plan.ts",
    what: "an index that is read from end to end passes",
    from: '(type.startsWith("Index") && node["Index Cond"] === undefined)',
    to: 'type === "Bitmap Heap Scan"',
    tests: ["test/service/plans.test.ts"],
  },
  {
    file: "scripts/plan.ts",
    what: "a page that is sorted passes",
    from: 'name.includes(".list") && sorts > 0',
    to: 'name.includes(".lists") && sorts > 0',
    tests: ["test/service/plans.test.ts"],
  },
];
