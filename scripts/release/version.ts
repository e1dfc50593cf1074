import type { Unreleased } from "./changelog.ts";

const pattern = /^(\d+)\.(\d+)\.(\d+)$/;

/**
 * The version that follows by Semantic Versioning: a breaking change makes a major one, or a minor one as
 * long as the major one is 0; what was added makes a minor one; all else a patch.
 */
export function nextVersion(version: string, { entries, isBreaking }: Unreleased): string {
  const [major, minor, patch] = parse(version);
  if (isBreaking && major > 0) return `${major + 1}.0.0`;
  const isMinor = isBreaking || ["Added", "API", "Deprecated"].some((title) => (entries.get(title) ?? 0) > 0);
  return isMinor ? `${major}.${minor + 1}.0` : `${major}.${minor}.${patch + 1}`;
}

/** Whether a version comes after another one. */
export function isAfter(version: string, other: string): boolean {
  const [one, two] = [parse(version), parse(other)];
  const at = one.findIndex((part, n) => part !== two[n]);
  return at !== -1 && one[at]! > two[at]!;
}

/** Throws an Error of one line if it is no version. */
function parse(version: string): [number, number, number] {
  const [, ...parts] = pattern.exec(version) ?? [];
  if (parts.length !== 3) throw new Error(`${version} is no version: write three numbers, such as 1.4.0`);
  return parts.map(Number) as [number, number, number];
}
