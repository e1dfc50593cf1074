import { execFile } from "node:child_process";
import { globSync } from "node:fs";
import { cp, mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { createRegistry, fromBinary, toJson } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { file_buf_validate_validate } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { expect, test } from "vitest";

const root = path.join(import.meta.dirname, "..");
const run = promisify(execFile);

test("a copy of proto/ and third_party/ is all that the command of docs/clients.md for TypeScript needs", async () => {
  await using clone = await mkdtempDisposable(path.join(tmpdir(), "bare-clone-"));
  await using own = await mkdtempDisposable(path.join(tmpdir(), "bare-client-"));
  for (const name of ["proto", "third_party", "buf.yaml"])
    await cp(path.join(root, name), path.join(clone.path, name), { recursive: true });
  const [, template = ""] = /```yaml\n([^]*?)```/.exec(
    await readFile(path.join(root, "docs/clients.md"), "utf8"),
  )!;
  await writeFile(path.join(own.path, "buf.gen.yaml"), template);

  await run("buf", ["generate", clone.path], { cwd: own.path });

  const generated = globSync("gen/**/*.ts", { cwd: own.path });
  const protos = globSync("{proto,third_party}/**/*.proto", { cwd: clone.path });
  const toModule = (file: string) => file.replace(/^\w+\/(.*)\.proto$/, "gen/$1_pb.ts");
  expect(generated.toSorted()).toEqual(protos.map(toModule).toSorted());
});

test("validate.proto compiles to the descriptor that the validator holds", async () => {
  const flags = ["--as-file-descriptor-set", "--exclude-imports", "--exclude-source-info", "-o", "-"];
  const { stdout } = await run("buf", ["build", "--path", "third_party/buf", ...flags], {
    cwd: root,
    encoding: "buffer",
  });

  // As JSON with the file's own extensions known: equal options may be encoded in different orders.
  const registry = createRegistry(file_buf_validate_validate);
  const compiled = fromBinary(FileDescriptorSetSchema, stdout).file;
  expect(compiled.map((file) => toJson(FileDescriptorProtoSchema, file, { registry }))).toEqual([
    toJson(FileDescriptorProtoSchema, file_buf_validate_validate.proto, { registry }),
  ]);
});
