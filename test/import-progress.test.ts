import { expect, test } from "vitest";
import { startProgress } from "../scripts/import/progress.ts";
import type { State } from "../scripts/import/resume.ts";

const begun: State = {
  requestId: "5220b79e-d40c-5168-9f86-e3cc2ec6b7ff",
  nextIndex: 0,
  inserted: 0,
  existing: 0,
  refused: 0,
  isDone: false,
};
const half: State = { ...begun, nextIndex: 40, refused: 2, checkpoint: { bytes: 500, crc32: 0 } };

/** What progress writes to such an output from its beginning to its end. */
function written(output: { readonly isTTY?: boolean; readonly columns?: number }, term: string): string {
  let text = "";
  const write = (more: string | Uint8Array): boolean => {
    text += more.toString();
    return true;
  };
  const progress = startProgress(1_000, begun, { ...output, write }, term);
  progress.update(half);
  progress.stop();
  return text;
}

test("progress is one line on a terminal, no wider than it, without control sequences", () => {
  const text = written({ isTTY: true, columns: 60 }, "xterm-256color");

  expect(text).toMatch(/^\r█{15}░{15} 50% · 40 rows, \d+\/s, 2 r.*\n$/);
  expect(text.length).toBeLessThanOrEqual(61);
});

test.each([
  ["a file", {}, "xterm"],
  ["a dumb terminal", { isTTY: true, columns: 80 }, "dumb"],
])("progress is plain lines on %s", (_, output, term) => {
  expect(written(output, term)).toMatch(/^50% · 40 rows, \d+\/s, 2 refused( · \d+s left)?\n$/);
});
