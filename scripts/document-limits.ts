// Writes docs/limits.md, or the file that is its argument.
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { limitTables } from "./limits.ts";
import { toMarkdown } from "./markdown.ts";

const intro = `# Limits

What a caller can make the service do or hold is bounded. This page is written by \`npm run generate\` from
\`src/bounds.ts\`, the configuration and the contract; \`npm run explain -- --limits\` prints it. Each refusal
is counted by the reason of its answer in \`rpc_server_limited_total\`, but for those that are also the reason
of other wrong requests (INVALID_FIELD, MALFORMED_REQUEST, MALFORMED_ROW).
`;

const file = process.argv[2] ?? path.join(import.meta.dirname, "..", "docs", "limits.md");
await writeFile(file, `${intro}\n${limitTables().map(toMarkdown).join("\n")}`);
