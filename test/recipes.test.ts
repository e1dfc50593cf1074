import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";

const root = path.join(import.meta.dirname, "..");

/** Paths in backticks: below a directory of the project, or with the ending of a file. */
const named =
  /`((?:\.ci|bench|docs|migrations|proto|scripts|src|test)\/[\w./-]*|[\w/-]+\.(?:json|md|sql|ts))`/g;

/** What stands for a name that a reader chooses. */
const placeholders = /NNNN_/;

test.each(["ARCHITECTURE.md", "CONTRIBUTING.md", "bench/README.md"])(
  "each path that %s names is there",
  (file) => {
    const text = readFileSync(path.join(root, file), "utf8");
    const paths = Array.from(text.matchAll(named), ([, name = ""]) => name);
    const directory = path.dirname(file);

    const missing = paths.filter(
      (name) =>
        !placeholders.test(name) &&
        !["", directory, "src"].some((base) => existsSync(path.join(root, base, name))),
    );

    expect(paths.length).toBeGreaterThan(2);
    expect(missing).toEqual([]);
  },
);
