import { readFileSync } from "node:fs";
import { mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { parseConfig } from "../src/config.ts";
import { root } from "./support/embedded.ts";
import { hasProgram, output } from "./support/programs.ts";

type Compose = {
  readonly services: Readonly<
    Record<
      string,
      {
        readonly image: string;
        readonly environment?: Readonly<Record<string, string>>;
        readonly ports?: readonly string[];
        readonly stop_grace_period?: string;
        readonly volumes?: readonly string[];
      }
    >
  >;
};

const read = (file: string): string => readFileSync(path.join(root, file), "utf8");
const dockerfile = read("Dockerfile");
const composeFiles = ["deploy/compose.yaml", "deploy/compose.postgresql.yaml"];
const readCompose = (file: string) => parse(read(file), { merge: true }) as Compose;
const dclint = path.join(root, "node_modules/.bin/dclint");
const hasHaproxy = await hasProgram("haproxy", "-v");

test("the image starts the service as npm start does, and is not root", () => {
  const { start } = (JSON.parse(read("package.json")) as { scripts: Record<string, string> }).scripts;
  const [, variable, flags, script] = /^(\S+=\S+) exec node (.+) (src\/main\.ts)$/.exec(start!)!;

  expect(dockerfile).toContain(
    `ENTRYPOINT ${JSON.stringify(["node", ...flags!.split(" ")]).replaceAll(",", ", ")}`,
  );
  expect(dockerfile).toContain(`CMD ["${script}"]`);
  expect(dockerfile).toMatch(new RegExp(`^ENV .*\\b${variable}$`, "m"));
  // The cache of compiled code is for these flags.
  expect(dockerfile).toContain(`node ${flags} ${script};`);
  expect(dockerfile).toMatch(/^USER 65534:65534$/m);
});

test("what the image copies is all that reaches its build", () => {
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, files]) =>
    files!.split(" "),
  );
  const [everything, ...allowed] = read(".dockerignore")
    .split("\n")
    .filter((line) => /^[^#]/.test(line));

  expect(everything).toBe("*");
  expect(new Set(copied)).toEqual(new Set(allowed.map((line) => line.slice(1))));
});

test("the version of Node and of the image are those of package.json", () => {
  const { version, devDependencies } = JSON.parse(read("package.json")) as {
    version: string;
    devDependencies: Record<string, string>;
  };

  expect(dockerfile).toContain(`/node:${devDependencies["node"]}-`);
  expect(dockerfile).toContain(`ARG VERSION=${version}\n`);
  expect(read("deploy/kubernetes/components/image/kustomization.yaml")).toContain(`newTag: ${version}\n`);
});

test("the composed services are what the specification of compose describes", async () => {
  expect((await output(dclint, ["--quiet", ...composeFiles], root)).trim()).toBe("");
});

test("a key that the specification does not have is found", async () => {
  await using directory = await mkdtempDisposable(path.join(tmpdir(), "commerce-compose-"));
  const file = path.join(directory.path, "compose.yaml");
  await writeFile(file, read(composeFiles[0]!).replace("stop_grace_period:", "stop_grace_perod:"));

  await expect(output(dclint, ["--quiet", file], root)).rejects.toThrow(dclint);
});

test.each(composeFiles)(
  "%s pins its images, listens on loopback only, and mounts what is there",
  async (file) => {
    const services = Object.entries(readCompose(file).services);

    for (const [name, { image, ports = [], volumes = [] }] of services) {
      expect([name, image]).toEqual([name, expect.stringMatching(/^commerce-core$|:v?\d+(\.\d+)*(-\w+)?$/)]);
      for (const port of ports) expect([name, port]).toEqual([name, expect.stringMatching(/^127\.0\.0\.1:/)]);
      const sources = volumes
        .map((volume) => volume.split(":", 1)[0]!)
        .filter((source) => source.startsWith("."));
      for (const source of sources) await readFileOrDirectory(path.join(root, "deploy", source));
    }
  },
);

test.each(composeFiles)("the service and the migrations take their configuration of %s", (file) => {
  const { services } = readCompose(file);
  const { "commerce-core": service, migrate } = services;

  const { shutdown, database } = parseConfig(service!.environment!);

  expect(parseConfig(migrate!.environment!).database).toEqual(database);
  const stopMs = shutdown.drainMs + shutdown.graceMs + 10_000;
  expect(Number.parseInt(service!.stop_grace_period!, 10) * 1000).toBeGreaterThan(stopMs);
});

test("the balancer takes its configuration", async ({ skip }) => {
  skip(!hasHaproxy, "haproxy is not installed");
  await using directory = await mkdtempDisposable(path.join(tmpdir(), "commerce-haproxy-"));

  const said = await output(
    "haproxy",
    ["-c", "-f", path.join(root, "deploy/haproxy/haproxy.cfg")],
    directory.path,
  );

  expect(said).toContain("valid");
});

async function readFileOrDirectory(file: string): Promise<void> {
  await readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EISDIR") throw error;
  });
}
