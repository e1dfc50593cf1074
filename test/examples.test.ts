import { execFile } from "node:child_process";
import { mkdtempDisposable, readFile, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { root } from "./support/embedded.ts";

const examples = ["typescript/main.ts", "go/main.go", "python/main.py"];

/** Runs examples/run.sh beside no program but those that it needs itself; returns its code and output. */
async function runExamples(...args: string[]): Promise<[number, string]> {
  await using bin = await mkdtempDisposable(path.join(tmpdir(), "commerce-examples-"));
  for (const program of ["dirname", "sed"])
    await symlink(path.join("/usr/bin", program), path.join(bin.path, program));
  return await new Promise((resolve) => {
    const options = { env: { PATH: bin.path }, cwd: root };
    const child = execFile("/bin/sh", ["examples/run.sh", ...args], options, (_, stdout, stderr) =>
      resolve([child.exitCode ?? -1, stdout + stderr]),
    );
  });
}

test.each(examples)("%s has under 150 lines of code", async (file) => {
  const text = await readFile(path.join(root, "examples", file), "utf8");
  const lines = text.split("\n").filter((line) => !/^\s*(?:$|\/\/|\/?\*|#)/.test(line));

  expect(lines.length).toBeGreaterThan(50);
  expect(lines.length).toBeLessThan(150);
});

test("run.sh says what an example lacks, and fails if it was named", async () => {
  expect(await runExamples("go")).toEqual([1, "== go\nlacks go: https://go.dev/doc/install\n"]);
});

test("run.sh takes no other examples and no other arguments", async () => {
  const usage = expect.stringContaining("[typescript|go|python] [HOST:PORT of the gRPC port]");

  expect(await runExamples("java")).toEqual([2, usage]);
  expect(await runExamples("go", "127.0.0.1:1", "127.0.0.1:2")).toEqual([2, usage]);
});
