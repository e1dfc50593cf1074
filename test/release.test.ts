import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { setVersion, versionedFiles } from "../scripts/release/files.ts";
import { nextVersion } from "../scripts/release/version.ts";
import { readUnreleased } from "../scripts/release/changelog.ts";
import { root } from "./support/embedded.ts";

const kustomization = "deploy/kubernetes/components/image/kustomization.yaml";

const changelog = (text: string): string =>
  `# Changelog\n\n## Unreleased\n\n${text}\n## 0.1.0 - 2026-01-01\n\nFirst.\n`;

/** A repository with a package of version 1.2.3, its tag, and a change log. */
async function openRepository(text: string) {
  const directory = await mkdtempDisposable(path.join(tmpdir(), "commerce-release-"));
  const git = (...args: readonly string[]): string => {
    const names = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"];
    return execFileSync("git", [...names, ...args], { cwd: directory.path, encoding: "utf8" }).trim();
  };
  const write = (file: string, content: string): void =>
    writeFileSync(path.join(directory.path, file), content);
  git("init", "--quiet", "--initial-branch=main");
  git("config", "user.name", "Ada");
  git("config", "user.email", "ada@example.com");
  for (const each of ["client", "proto", path.dirname(kustomization)])
    mkdirSync(path.join(directory.path, each), { recursive: true });
  const versioned = JSON.stringify({ name: "x", version: "1.2.3" }).replaceAll(":", ": ");
  write("package.json", versioned);
  write("client/package.json", versioned);
  write("package-lock.json", JSON.stringify({ version: "1.2.3", packages: { "": {}, client: {} } }));
  write("Dockerfile", "ARG NODE_IMAGE=node:24.0.0\nARG VERSION=1.2.3\n");
  write(kustomization, "images:\n  - name: commerce-core\n    newTag: 1.2.3\n");
  write("deploy/README.md", "docker build -t registry.example.com/commerce-core:1.2.3 .\n");
  write("buf.yaml", "version: v2\nmodules:\n  - path: proto\n");
  write("proto/a.proto", 'syntax = "proto3";\npackage a.v1;\nmessage A {\n  string id = 1;\n}\n');
  write("CHANGELOG.md", changelog(""));
  git("add", ".");
  git("commit", "--quiet", "--message", "Begin");
  git("tag", "v1.2.3");
  write("CHANGELOG.md", changelog(text));
  git("commit", "--quiet", "--all", "--allow-empty", "--message", "Change");
  const run = (...args: readonly string[]) => {
    const script = path.join(root, "scripts/release.ts");
    const PATH = `${path.join(root, "node_modules/.bin")}:${process.env["PATH"]}`;
    try {
      const options = {
        cwd: directory.path,
        encoding: "utf8",
        stdio: "pipe",
        env: { ...process.env, PATH },
      } as const;
      return { code: 0, said: execFileSync(process.execPath, [script, ...args], options) };
    } catch (error) {
      const { status, stderr } = error as { status: number; stderr: string };
      return { code: status, said: stderr };
    }
  };
  const read = (file: string): string => readFileSync(path.join(directory.path, file), "utf8");
  return { git, write, run, read, [Symbol.asyncDispose]: () => directory.remove() };
}

const added = "### Added\n\n- A lamp.\n";

test("a release sets the versions, dates the changes, commits and tags", async () => {
  await using repository = await openRepository(added);

  const dry = repository.run("--dry-run");
  const before = repository.git("rev-parse", "HEAD");
  const { code } = repository.run();

  expect(dry).toEqual({ code: 0, said: expect.stringContaining("version 1.3.0, tag v1.3.0") });
  expect(repository.git("rev-parse", "HEAD~1")).toBe(before);
  expect([code, repository.git("status", "--porcelain")]).toEqual([0, ""]);
  expect(repository.git("tag", "--points-at", "HEAD")).toBe("v1.3.0");
  expect(repository.read("CHANGELOG.md")).toMatch(
    /## Unreleased\n\n## 1\.3\.0 - \d{4}-\d\d-\d\d\n\n### Added/,
  );
  for (const file of ["package.json", "client/package.json"])
    expect(JSON.parse(repository.read(file))).toMatchObject({ version: "1.3.0" });
  expect(JSON.parse(repository.read("package-lock.json"))).toEqual({
    version: "1.3.0",
    packages: { "": { version: "1.3.0" }, client: { version: "1.3.0" } },
  });
  expect(repository.read("Dockerfile")).toBe("ARG NODE_IMAGE=node:24.0.0\nARG VERSION=1.3.0\n");
  expect(repository.read(kustomization)).toBe("images:\n  - name: commerce-core\n    newTag: 1.3.0\n");
  expect(repository.read("deploy/README.md")).toContain("commerce-core:1.3.0 .");
});

test("each file of the project that a release gives its version has the version of now", () => {
  const { version } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as {
    version: string;
  };

  for (const file of versionedFiles) {
    const text = readFileSync(path.join(root, file), "utf8");
    expect(setVersion(file, text, version)).toBe(text);
    expect(setVersion(file, text, "9.8.7")).toContain("9.8.7");
  }
});

test("nothing is released from a checkout that is not clean, or where nothing has changed", async () => {
  await using empty = await openRepository("");
  await using changed = await openRepository(added);
  changed.write("package.json", "{}");

  expect(empty.run()).toEqual({
    code: 1,
    said: "no release: CHANGELOG.md has nothing under ## Unreleased\n",
  });
  expect(changed.run()).toEqual({ code: 1, said: "no release: the checkout is not clean: M package.json\n" });
});

test("a contract that breaks callers is released only where an entry says so", async () => {
  await using repository = await openRepository(added);
  repository.write("proto/a.proto", 'syntax = "proto3";\npackage a.v1;\nmessage A {\n  int32 id = 1;\n}\n');
  repository.git("commit", "--quiet", "--all", "--message", "Break");

  const refused = repository.run("--dry-run");
  repository.write("CHANGELOG.md", changelog("### API\n\n- **Breaking**: ids are numbers.\n"));
  repository.git("commit", "--quiet", "--all", "--message", "Say so");
  const told = repository.run("--dry-run");

  expect(refused).toEqual({
    code: 1,
    said: expect.stringMatching(/breaks callers of v1\.2\.3.*\n.*a\.proto/),
  });
  expect(told).toEqual({ code: 0, said: expect.stringContaining("version 2.0.0") });
});

test("a contract that cannot be compared is not said to break callers", async () => {
  await using repository = await openRepository(added);
  repository.write("buf.yaml", "version: v9\n");
  repository.git("commit", "--quiet", "--all", "--message", "Ask for a version of buf that there is not");

  expect(repository.run("--dry-run")).toEqual({
    code: 1,
    said: expect.stringMatching(/^no release: the contract cannot be compared with v1\.2\.3:\n.*buf\.yaml/),
  });
});

test.each([
  [["--nonsense"], 2, /--nonsense.*--help lists the options/],
  [["--version", "2"], 1, /2 is no version: write three numbers/],
  [["--version", "1.2.3"], 1, /there is a tag v1\.2\.3 already/],
  [["--version", "1.2.2"], 1, /1\.2\.2 does not come after v1\.2\.3/],
])("%j ends with %d and the reason", async (args, code, said) => {
  await using repository = await openRepository(added);

  expect(repository.run(...args)).toEqual({ code, said: expect.stringMatching(said) });
});

test.each([
  ["1.2.3", "### Fixed\n\n- A.\n", "1.2.4"],
  ["1.2.3", "### Added\n\n- A.\n", "1.3.0"],
  ["1.2.3", "### Changed\n\n- **Breaking**: A.\n", "2.0.0"],
  ["0.2.3", "### Changed\n\n- **Breaking**: A.\n", "0.3.0"],
  ["0.2.3", "### Fixed\n\n- A.\n", "0.2.4"],
])("after %s comes, by what has changed, the version that Semantic Versioning has", (version, text, next) => {
  expect(nextVersion(version, readUnreleased(changelog(text)))).toBe(next);
});
