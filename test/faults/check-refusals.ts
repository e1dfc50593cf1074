import type { Evidence, Violation } from "./checker.ts";
import { isRow, type Call } from "./history.ts";

/** I5: of one call no attempt is refused and another one acknowledged. Rows of imports are decided anew. */
export function checkRefusals({ calls }: Evidence): Violation[] {
  return calls.filter(({ request }) => !isRow(request)).flatMap(checkAnswers);
}

/** A refusal that was asked for after the acknowledgement is I3. */
function checkAnswers({ request, entries, acknowledged }: Call): Violation[] {
  if (acknowledged === Infinity) return [];
  return entries
    .flatMap(({ outcome, invoked }) =>
      outcome.kind === "failed" && invoked < acknowledged ? [outcome.reason] : [],
    )
    .slice(0, 1)
    .map((reason) => ({
      invariant: "I5",
      ids: [request.requestId],
      sentence: `refused (${reason}), and acknowledged all the same`,
    }));
}
