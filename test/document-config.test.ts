import { execFile } from "node:child_process";
import { mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { names } from "../src/config/environment.ts";

/** Runs the generator on a file with this text, and answers the new text. */
async function document(text: string): Promise<string> {
  await using directory = await mkdtempDisposable(path.join(tmpdir(), "document-config-test-"));
  const file = path.join(directory.path, "configuration.md");
  await writeFile(file, text);
  const script = path.join(import.meta.dirname, "../scripts/document-config.ts");
  await promisify(execFile)(process.execPath, [script, file]);
  return await readFile(file, "utf8");
}

test("the table has a row for each variable, between the markers", async () => {
  const text = await document("# A\n<!-- configuration -->\nold\n<!-- /configuration -->\nend\n");

  const rows = text.split("\n").flatMap((line) => /^\| `(\w+)` \| .* \| .+ \|$/.exec(line)?.[1] ?? []);
  expect(rows).toEqual(names);
  expect(text).toContain("| `CRDB_PORT` | `26257` | The CockroachDB port. |");
  expect(text).toMatch(/^# A\n<!-- configuration -->\n\n\|[^]*\|\n\n<!-- \/configuration -->\nend\n$/);
});

test("the table is made again without a difference", async () => {
  const once = await document("<!-- configuration -->\n<!-- /configuration -->\n");

  expect(await document(once)).toBe(once);
});

test("a file without the markers is refused", async () => {
  const stderr = expect.stringContaining("has no lines <!-- configuration --> and <!-- /configuration -->");

  await expect(document("# A\n")).rejects.toMatchObject({ code: 1, stderr });
});
