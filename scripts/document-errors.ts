// Writes docs/errors.md, or the file that is its argument.
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { toMarkdown } from "./markdown.ts";
import { reasonTables } from "./reasons.ts";

const intro = `# Errors

Every error has a google.rpc.ErrorInfo with the domain \`commerce-core\`, one of these reasons, and the metadata that
the reason names. This page is written by \`npm run generate\` from \`src/errors/\`. A reason keeps its code and its
metadata; new reasons are added, so a caller that meets one it does not know goes by the code. "repeat?" says whether
the same call may be made again unchanged; "with the same request_id" means that it may have happened, and that reads
may be repeated in any case ([exactly once](exactly-once.md)). The BadRequest, ResourceInfo and PreconditionFailure
beside the ErrorInfo name the field, the resource or the condition.

COMMIT_OUTCOME_UNKNOWN is UNAVAILABLE for a call that had a request_id, and UNKNOWN for one that had none. The reasons
of refused connections are those of \`rpc_server_refused_total\`.
`;

const file = process.argv[2] ?? path.join(import.meta.dirname, "..", "docs", "errors.md");
await writeFile(file, `${intro}\n${reasonTables().map(toMarkdown).join("\n")}`);
