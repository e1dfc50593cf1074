import { expect, test } from "vitest";
import { toPage } from "../src/services/pages.ts";
import { parseEmail, toTime } from "../src/services/parse.ts";

test("a page has a next one where an entry was read beyond it, and not where it is full", () => {
  const toToken = (last: string): string => `behind ${last}`;

  expect(toPage(["a", "b", "c"], 2, toToken)).toEqual({ entries: ["a", "b"], nextPageToken: "behind b" });
  expect(toPage(["a", "b"], 2, toToken)).toEqual({ entries: ["a", "b"], nextPageToken: "" });
  expect(toPage([], 2, toToken)).toEqual({ entries: [], nextPageToken: "" });
});

test("an instant is told to the microsecond", () => {
  expect(toTime(1_767_225_600_123_456n)).toMatchObject({ seconds: 1_767_225_600n, nanos: 123_456_000 });
});

test("an email has 254 letters at most", () => {
  const domain = `${"a".repeat(60)}.`.repeat(3) + "example.com";
  const longest = `${"a".repeat(253 - domain.length)}@${domain}`;

  expect(longest).toHaveLength(254);
  expect(parseEmail("email", ` ${longest} `)).toBe(longest);
  expect(() => parseEmail("email", `a${longest}`)).toThrow("email: must be an email address");
});
