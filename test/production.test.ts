import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";

const root = path.join(import.meta.dirname, "..");

const imports =
  /^(?:import|export) (?!type\b)(?:[^;"=()]* from )?"(?<fixed>[^"]+)";|\bimport\("(?<dynamic>[^"]+)"\)/gm;

/** The packages that a file needs when it runs, with all files that it imports. Types are gone by then. */
function findPackages(file: string, seen: Set<string>): string[] {
  if (seen.has(file)) return [];
  seen.add(file);
  const text = readFileSync(path.join(root, file), "utf8");
  return [...text.matchAll(imports)].flatMap(({ groups }) => {
    const target = (groups!["fixed"] ?? groups!["dynamic"])!;
    if (target.startsWith("node:")) return [];
    if (target.startsWith(".")) return findPackages(path.join(path.dirname(file), target), seen);
    return [target.split("/", target.startsWith("@") ? 2 : 1).join("/")];
  });
}

test.each(["src/main.ts", "scripts/migrate.ts", "scripts/import.ts", "scripts/demo.ts"])(
  "%s runs without development dependencies",
  (file) => {
    const { dependencies } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as {
      dependencies: Record<string, string>;
    };

    const packages = findPackages(file, new Set());

    expect(packages.length).toBeGreaterThan(0);
    expect(packages.filter((name) => !(name in dependencies))).toEqual([]);
  },
);
