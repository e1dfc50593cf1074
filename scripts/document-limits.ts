// Writes docs/limits.md, or the file that the argument names.
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { limitTables } from "./limits.ts";
import { toMarkdown } from "./markdown.ts";

const intro = `# Limits

The work and the memory that a caller can cause are bounded. \`npm run generate\` writes this page from
\`src/bounds.ts\`, the configuration and the contract; \`npm run explain -- --limits\` prints it.
\`rpc_server_limited_total\` counts each refusal by the reason of its answer, except reasons that other wrong
requests share (INVALID_FIELD, MALFORMED_REQUEST, MALFORMED_ROW).
`;

const file = process.argv[2] ?? path.join(import.meta.dirname, "..", "docs", "limits.md");
await writeFile(file, `${intro}\n${limitTables().map(toMarkdown).join("\n")}`);
