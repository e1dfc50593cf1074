// Writes third_party/: the protos of other projects that ours import, from the npm packages that ship them.
import { cp, mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { file_buf_validate_validate } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { printProto } from "./print-proto.ts";

const files: Record<string, string> = {
  "grpc/health/v1/health.proto": "grpc-health-check/proto/health/v1/health.proto",
  "grpc/reflection/v1/reflection.proto": "@grpc/reflection/build/proto/grpc/reflection/v1/reflection.proto",
  "grpc/reflection/v1alpha/reflection.proto":
    "@grpc/reflection/build/proto/grpc/reflection/v1alpha/reflection.proto",
  "google/rpc/error_details.proto": "google-gax/build/protos/google/rpc/error_details.proto",
  "google/rpc/status.proto": "google-gax/build/protos/google/rpc/status.proto",
  "google/type/money.proto": "google-gax/build/protos/google/type/money.proto",
};

const root = path.join(import.meta.dirname, "..");
const target = path.join(root, "third_party");

await rm(target, { recursive: true, force: true });
for (const [to, from] of Object.entries(files)) {
  await mkdir(path.dirname(path.join(target, to)), { recursive: true });
  await cp(path.join(root, "node_modules", from), path.join(target, to));
}
// No npm package ships this file as text, but the validator holds its descriptor.
await mkdir(path.join(target, "buf/validate"), { recursive: true });
await writeFile(path.join(target, "buf/validate/validate.proto"), printProto(file_buf_validate_validate));
