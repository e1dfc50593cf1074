import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import { createRegistry, fromBinary, toJson } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { file_buf_validate_validate } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { expect, test } from "vitest";

test("validate.proto compiles to the descriptor that the validator holds", async () => {
  const flags = ["--as-file-descriptor-set", "--exclude-imports", "--exclude-source-info", "-o", "-"];
  const { stdout } = await promisify(execFile)("buf", ["build", "--path", "third_party/buf", ...flags], {
    cwd: path.join(import.meta.dirname, ".."),
    encoding: "buffer",
  });

  // As JSON with the file's own extensions known: equal options may be encoded in different orders.
  const registry = createRegistry(file_buf_validate_validate);
  const compiled = fromBinary(FileDescriptorSetSchema, stdout).file;
  expect(compiled.map((file) => toJson(FileDescriptorProtoSchema, file, { registry }))).toEqual([
    toJson(FileDescriptorProtoSchema, file_buf_validate_validate.proto, { registry }),
  ]);
});
