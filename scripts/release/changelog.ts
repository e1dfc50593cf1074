/** The entries of a change log that no release has yet. */
export type Unreleased = {
  /** Its text, without the heading. */
  readonly text: string;
  /** The number of entries by the titles of their sections, such as "Added". */
  readonly entries: ReadonlyMap<string, number>;
  /** Whether an entry says that callers or operators have to change something: **Breaking** begins it. */
  readonly isBreaking: boolean;
};

const heading = "## Unreleased\n";

/** Reads what is unreleased in a change log; throws an Error of one line if it has no place for that. */
export function readUnreleased(changelog: string): Unreleased {
  const [, , behind] = split(changelog);
  if (behind === undefined) throw new Error("CHANGELOG.md has no heading ## Unreleased");
  const text = behind.split(/^## /m, 1)[0]!.trim();
  const sections = text.split(/^### /m).slice(1);
  const entries = new Map(
    sections.map((section): [string, number] => {
      const [title = "", ...lines] = section.split("\n");
      return [title.trim(), lines.filter((line) => line.startsWith("- ")).length];
    }),
  );
  return { text, entries, isBreaking: /^- \*\*Breaking\*\*/m.test(text) };
}

/** The change log with the unreleased entries under a version and its date. */
export function release(changelog: string, version: string, date: string): string {
  const [before, found, behind = ""] = split(changelog);
  return `${before}${found}\n## ${version} - ${date}\n${behind}`;
}

function split(changelog: string): string[] {
  const at = changelog.indexOf(heading);
  if (at === -1) return [changelog];
  return [changelog.slice(0, at), heading, changelog.slice(at + heading.length)];
}
