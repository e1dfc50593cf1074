import type { Evidence, Violation } from "./checker.ts";
import { isImport, type Chunk, type Entry, type Import, type RowCounts } from "./history.ts";
import { toItemMarker, toOrderMarker, toRowMarkers } from "./import-rows.ts";

/** An attempt of an import. */
type Attempt = Pick<Entry, "outcome" | "chunks"> & { readonly request: Import };

/**
 * I11: what the answers to imports said, against what they were asked and against what is stored. Of each row
 * by itself I3, I4 and I5 are told as of calls.
 */
export function checkImports({ history, parts }: Evidence): Violation[] {
  const attempts = history.flatMap(({ request, outcome, chunks }) =>
    isImport(request) ? [{ request, outcome, chunks }] : [],
  );
  const markers = [
    ...parts.map(({ order, created }) => toOrderMarker({ ...order, lines: created })),
    ...parts.flatMap(({ added }) => added.map(toItemMarker)),
  ];
  const stored = new Map([...Map.groupBy(markers, (each) => each)].map(([key, { length }]) => [key, length]));
  return [
    ...attempts.flatMap((attempt) => [
      ...checkProgress(attempt),
      ...attempt.chunks.flatMap((chunk) => checkChunk(attempt.request, chunk, stored)),
      ...checkEnd(attempt),
    ]),
    ...checkInserted(attempts, stored),
  ];
}

function broken({ requestId }: Import, sentence: string): Violation {
  return { invariant: "I11", ids: [requestId], sentence };
}

/** Chunks follow one another from the first row that was sent, and end with the last one at most. */
function checkProgress({ request, outcome, chunks }: Attempt): Violation[] {
  const end = request.firstIndex + request.rows.length;
  let next = request.firstIndex;
  for (const { firstIndex, lastIndex } of chunks) {
    if (firstIndex !== next || lastIndex < firstIndex || lastIndex >= end) {
      const rows = `rows ${firstIndex} to ${lastIndex} were answered`;
      return [broken(request, `${rows} where ${next} was next, of ${end}`)];
    }
    next = lastIndex + 1;
  }
  if (outcome.kind !== "ok" || next === end) return [];
  return [broken(request, `ended well after row ${next - 1}, of ${end}`)];
}

/** Each row is counted once, and as many are stored as the chunk says are there. */
function checkChunk(request: Import, chunk: Chunk, stored: ReadonlyMap<string, number>): Violation[] {
  const { firstIndex, lastIndex, inserted, existing } = chunk;
  const refused = chunk.refused.map(({ index }) => index);
  const rows = `rows ${firstIndex} to ${lastIndex}`;
  const alien = refused.some(
    (index, n) => index < firstIndex || index > lastIndex || index <= (refused[n - 1] ?? -1),
  );
  const there = inserted + existing;
  if (alien || there + refused.length !== lastIndex - firstIndex + 1)
    return [broken(request, `${rows} were counted as ${there} that are there and refused ${refused.join()}`)];
  const found = toRowMarkers(request)
    .slice(firstIndex - request.firstIndex, lastIndex - request.firstIndex + 1)
    .filter((_, n) => !refused.includes(firstIndex + n))
    .reduce((sum, marker) => sum + (stored.get(marker) ?? 0), 0);
  if (found === there) return [];
  return [broken(request, `of ${rows} ${there} were acknowledged and ${found} are stored`)];
}

/** The summary is the sum of the chunks, and an import stops at a refused row where that was asked for. */
function checkEnd({ request, outcome, chunks }: Attempt): Violation[] {
  const summary = outcome.kind === "ok" ? outcome.summary : undefined;
  const sum: RowCounts = {
    inserted: chunks.reduce((all, { inserted }) => all + inserted, 0),
    existing: chunks.reduce((all, { existing }) => all + existing, 0),
    refused: chunks.reduce((all, { refused }) => all + refused.length, 0),
  };
  const toText = ({ inserted, existing, refused }: RowCounts): string =>
    `${inserted} inserted, ${existing} existing, ${refused} refused`;
  const differs = summary !== undefined && toText(summary) !== toText(sum);
  const refusing = chunks.findIndex(({ refused }) => refused.length > 0);
  const mustStop = request.stopOnError && refusing !== -1;
  const wentOn = mustStop && (outcome.kind === "ok" || refusing < chunks.length - 1);
  // Another call under its request_id ends an import, too.
  const isSuperseded = outcome.kind === "failed" && outcome.reason === "IMPORT_SUPERSEDED";
  const gaveUp = outcome.kind === "failed" && !mustStop && !isSuperseded;
  return [
    ...(differs ? [broken(request, `chunks of ${toText(sum)}; summed up as ${toText(summary)}`)] : []),
    ...(wentOn ? [broken(request, "went on behind a refused row, and was to stop there")] : []),
    ...(gaveUp ? [broken(request, `was ended by ${outcome.code}, and no row told it to`)] : []),
  ];
}

/**
 * A row is inserted once: all attempts of an import together, which may overlap, tell of no more than there
 * are. They may tell of fewer, where the answer was lost.
 */
function checkInserted(attempts: readonly Attempt[], stored: ReadonlyMap<string, number>): Violation[] {
  const groups = Map.groupBy(attempts, ({ request }) => request.requestId);
  return [...groups.values()].flatMap((group): Violation[] => {
    const markers = new Set(group.flatMap(({ request }) => toRowMarkers(request)));
    const there = [...markers].reduce((sum, marker) => sum + (stored.get(marker) ?? 0), 0);
    const inserted = group.flatMap(({ chunks }) => chunks).reduce((sum, chunk) => sum + chunk.inserted, 0);
    if (inserted <= there) return [];
    return [broken(group[0]!.request, `${inserted} rows were said to be inserted, ${there} are stored`)];
  });
}
