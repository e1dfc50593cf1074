// Writes docs/errors.md, or the file that is its argument.
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { toMarkdown } from "./markdown.ts";
import { reasonTables } from "./reasons.ts";

const intro = `# Errors

Every error has a google.rpc.ErrorInfo with the domain \`commerce-core\`, one of these reasons and the
metadata that belongs to it. The BadRequest, ResourceInfo and PreconditionFailure beside it name the
field, the resource or the condition. The reasons are the names of the values of
commerce.errors.v1.ErrorReason, so that generated code has them, with what stands here as options and
comments; \`npm run generate\` writes this page from there. [The methods](api.md) name theirs.

A reason keeps its code and its metadata. New reasons and keys are added: a caller that meets a reason that
it does not know goes by the code.

A mutation that was refused stays refused under its request_id: a new attempt takes a new one. An import is
resumed under its own.

"repeat?" says whether the same call may be made again, unchanged: after a wait (the RetryInfo says how
long), or with the same request_id, because it may have happened ([exactly once](exactly-once.md)). A read
may be repeated then, too. A call with a request_id is answered COMMIT_OUTCOME_UNKNOWN as UNAVAILABLE, one
without as UNKNOWN.

Connections that are refused or closed without an answer show their reason only in the metric
\`rpc_server_requests_refused_total\`.
`;

const file = process.argv[2] ?? path.join(import.meta.dirname, "..", "docs", "errors.md");
await writeFile(file, `${intro}\n${reasonTables().map(toMarkdown).join("\n")}`);
