// The contract as documents need it: with its comments, which the generated code does not have as data.
import { execFileSync } from "node:child_process";
import path from "node:path";
import {
  type AnyDesc,
  createFileRegistry,
  type DescFile,
  type FileRegistry,
  fromBinary,
} from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { getComments } from "@bufbuild/protoplugin";

/** Compiles the contract and what it imports. */
export function readContract(): FileRegistry {
  const set = execFileSync("buf", ["build", "--as-file-descriptor-set", "--output", "-"], {
    cwd: path.join(import.meta.dirname, ".."),
    maxBuffer: 2 ** 26,
  });
  return createFileRegistry(fromBinary(FileDescriptorSetSchema, set));
}

/** The paragraphs of the comment above an element, each on one line; of what generated code would show. */
export function paragraphsOf(desc: Exclude<AnyDesc, DescFile>): string[] {
  const { leading = "" } = getComments(desc);
  return leading
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.replaceAll(/\s*\n\s*/g, " ").trim())
    .filter((paragraph) => paragraph !== "");
}
