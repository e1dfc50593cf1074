import type { Evidence, Violation } from "./checker.ts";
import { isRow, type Call } from "./history.ts";

/** I5 where refusals are final: of one call no attempt is refused and another one acknowledged. */
export function checkRefusals({ calls, promises }: Evidence): Violation[] {
  return promises.finalRefusals ? calls.filter(({ request }) => !isRow(request)).flatMap(checkAnswers) : [];
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
