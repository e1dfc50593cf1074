// Writes docs/api.md, or the file that is its argument.
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { toReference } from "./reference.ts";

const intro = `# API

The services with their methods, messages and enums, as the contract in [\`proto/\`](../proto/commerce) has
them; \`npm run generate\` writes this page from there. Any method may also fail for a reason of calls, such
as DEADLINE_EXCEEDED: [errors](errors.md) lists all reasons. Limits and deadlines are those of the default
configuration ([limits](limits.md)). How to call the service from your language: [clients](clients.md).
`;

const file = process.argv[2] ?? path.join(import.meta.dirname, "..", "docs", "api.md");
await writeFile(file, `${intro}\n${toReference()}`);
