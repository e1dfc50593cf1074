import { execFile } from "node:child_process";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { root } from "./embedded.ts";

const run = promisify(execFile);

/** A project in a directory of its own that has installed the client as it is published. */
export type Installed = AsyncDisposable & {
  readonly directory: string;
  /** What the package holds. */
  readonly files: readonly string[];
  /** Writes a file of the project and returns its path. */
  write(name: string, text: string): Promise<string>;
};

/** What the client depends on: links to the packages here, so that nothing is asked of a registry. */
const dependencies = ["protobuf", "connect", "connect-node", "connect-web"].map((name) =>
  path.join(root, "node_modules", name === "protobuf" ? "@bufbuild" : "@connectrpc", name),
);

/** Packs the client as `npm publish` would, and installs it. */
export async function installPacked(): Promise<Installed> {
  await using opening = new AsyncDisposableStack();
  const temporary = opening.use(await mkdtempDisposable(path.join(tmpdir(), "commerce-client-")));
  const directory = temporary.path;
  const write = async (name: string, text: string): Promise<string> => {
    const file = path.join(directory, name);
    await writeFile(file, text);
    return file;
  };
  const pack = ["pack", "--json", "--pack-destination", directory, "--workspace", "client"];
  const { stdout } = await run("npm", pack, { cwd: root });
  // What prepack prints stands before it.
  const [packed] = JSON.parse(stdout.slice(stdout.indexOf("[\n"))) as {
    filename: string;
    files: { path: string }[];
  }[];
  await write("package.json", '{ "private": true, "type": "module" }');
  const install = ["install", "--offline", "--ignore-scripts", "--no-audit", "--no-fund"];
  await run("npm", [...install, path.join(directory, packed!.filename), ...dependencies], { cwd: directory });
  const open = opening.move();
  return {
    directory,
    files: packed!.files.map((file) => file.path),
    write,
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}
