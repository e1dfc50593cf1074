// Writes docs/limits.md, or the file that the argument names.
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { limitTables } from "./limits.ts";
import { toMarkdown } from "./markdown.ts";

const intro = `# Limits

The work and the memory that a caller can cause are bounded. \`npm run generate\` writes this page from
\`src/bounds.ts\`, the configuration and the contract; \`npm run explain -- --limits\` prints it.
\`rpc_server_limits_met_total\` counts refusals by the reason of their answer, except reasons that other wrong
requests share (INVALID_FIELD, MALFORMED_REQUEST, MALFORMED_ROW).

With several \`WORKERS\` a configured bound is the service's, and each worker has its share of it: of the
connections to the database and the calls that wait for one, of the callers' connections on each port (one
address has a share that is rounded up), of calls and of streams in flight. Limits of logins are kept in
the database, for all workers and replicas. Fixed bounds are each worker's: they protect the memory and the
event loop of a process, and the largest request must fit into any of them, so that n workers may hold n
times the bytes. The workers share the cores for hashing passwords, less one while the event loop is busy;
each hashes at least one and at most three at a time. \`ulimit -n\` is each worker's, too.
`;

const file = process.argv[2] ?? path.join(import.meta.dirname, "..", "docs", "limits.md");
await writeFile(file, `${intro}\n${limitTables().map(toMarkdown).join("\n")}`);
