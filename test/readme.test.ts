import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const root = path.join(import.meta.dirname, "..");

/** The commands of a document's sessions, each with the output that stands below it. */
async function readSession(file: string): Promise<{ command: string; output: string }[]> {
  const text = await readFile(path.join(root, file), "utf8");
  const blocks = [...text.matchAll(/```console\n([\s\S]*?)```/g)].map((match) => match[1]!);
  return blocks.flatMap((block) =>
    block
      .split(/^\$ /m)
      .slice(1)
      .map((step) => {
        const end = /[^\\]\n/.exec(step)!.index + 1;
        return { command: step.slice(0, end), output: step.slice(end + 1).trim() };
      }),
  );
}

/** Times and what is random differ from run to run, and nothing else does. */
function comparable(text: string): string {
  return text
    .trim()
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME")
    .replace(/"id": ?"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f-]+"/g, '"id": "RANDOM"')
    .replace(/"value": "[\w+/=]+"/g, '"value": "BYTES"');
}

/** Runs the service as `npm start` does, on free ports and a directory of its own. */
async function startService(): Promise<AsyncDisposable & { grpc: string; http: string }> {
  const directory = await mkdtemp(path.join(tmpdir(), "commerce-core-readme-"));
  const free = "127.0.0.1:0";
  const ports = { GRPC_ADDR: free, HTTP_ADDR: free, ADMIN_ADDR: free };
  const env = { ...process.env, DATA_DIR: directory, WELCOME: "true", ...ports };
  const service = spawn(process.execPath, ["src/main.ts"], {
    cwd: root,
    env,
    stdio: ["ignore", "pipe", "ignore"],
  });
  const exited = once(service, "exit");
  const addresses: string[] = [];
  for await (const line of createInterface(service.stdout)) {
    addresses.push(...(/127\.0\.0\.1:\d+/.exec(line) ?? []));
    if (line.startsWith("Try:")) break;
  }
  return {
    grpc: addresses[0]!,
    http: addresses[1]!,
    async [Symbol.asyncDispose]() {
      service.kill("SIGTERM");
      await exited;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

test("the commands of the README and of the tour print what stands there", { timeout: 60_000 }, async () => {
  await using service = await startService();
  const tour = [...(await readSession("README.md")), ...(await readSession("docs/tour.md"))];
  const env = { ...process.env, PATH: `${path.join(root, "node_modules/.bin")}:${process.env["PATH"]}` };

  const printed = [];
  for (const { command } of tour) {
    const here = command
      .replaceAll("127.0.0.1:50051", service.grpc)
      .replaceAll("127.0.0.1:8080", service.http);
    const run = promisify(execFile)("sh", ["-c", here.replace(/^npx /, "")], { cwd: root, env });
    // Some steps show an error, for which the command exits with another code than 0.
    const { stdout, stderr } = await run.catch(
      (error: unknown) => error as { stdout: string; stderr: string },
    );
    printed.push({ command, output: comparable(stdout + stderr) });
  }

  expect(tour.length).toBeGreaterThan(8);
  expect(printed).toEqual(tour.map(({ command, output }) => ({ command, output: comparable(output) })));
});
