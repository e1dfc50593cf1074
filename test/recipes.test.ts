import { existsSync, globSync, readFileSync } from "node:fs";
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

/** The heading that a fragment of a link names, as GitHub writes it. */
const toFragment = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\w\- ]/g, "")
    .replaceAll(" ", "-");

test.each(globSync(["*.md", "{docs,bench,client,examples,deploy}/**/*.md"], { cwd: root }))(
  "each link of %s leads to a file and a heading",
  (file) => {
    const text = readFileSync(path.join(root, file), "utf8");
    const links = Array.from(text.matchAll(/\]\((?!https?:)([^)]+)\)/g), ([, link = ""]) => link);

    const broken = links.filter((link) => {
      const [name = "", fragment] = link.split("#");
      const target = name === "" ? file : path.join(path.dirname(file), name);
      if (!existsSync(path.join(root, target))) return true;
      if (fragment === undefined) return false;
      const headings = readFileSync(path.join(root, target), "utf8").matchAll(/^#+ (.+)$/gm);
      return !Array.from(headings, ([, heading = ""]) => toFragment(heading)).includes(fragment);
    });

    expect(broken).toEqual([]);
  },
);
