import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { root } from "./support/embedded.ts";
import { hasProgram, output } from "./support/programs.ts";

type Rule = {
  readonly alert?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
};

const read = (file: string): string => readFileSync(path.join(root, file), "utf8");
const { groups } = parse(read("deploy/prometheus/alerts.yaml")) as { groups: { rules: Rule[] }[] };
const alerts = groups.flatMap(({ rules }) => rules).filter(({ alert }) => alert !== undefined);
const names = alerts.map(({ alert }) => alert!);
const directory = path.join(root, "deploy/prometheus");
const hasPromtool = await hasProgram("promtool", "--version");

test("each alert says how urgent it is, what it means, and where to read what to do", () => {
  const page = "https://github.com/commerce-core/commerce-core/blob/main/docs/alerts.md";

  expect(alerts).toEqual(
    names.map((alert) =>
      expect.objectContaining({
        alert,
        labels: { severity: expect.stringMatching(/^(page|ticket)$/) },
        annotations: {
          summary: expect.stringMatching(/^[A-Z].+[^.]$/),
          description: expect.stringMatching(/.+\.$/),
          runbook_url: `${page}#${alert.toLowerCase()}`,
        },
      }),
    ),
  );
});

test("docs/alerts.md has a section for each alert, with its urgency, and for no other", () => {
  const sections = [...read("docs/alerts.md").matchAll(/^## (\w+)\n\n\*(\w+)\.\*/gm)];

  expect(Object.fromEntries(sections.map(([, name, severity]) => [name, severity!.toLowerCase()]))).toEqual(
    Object.fromEntries(alerts.map(({ alert, labels }) => [alert, labels!["severity"]])),
  );
});

test("each alert has a test in which it fires", () => {
  const text = read("deploy/prometheus/alerts.test.yaml");
  const fired = [...text.matchAll(/ALERTS\{alertname="(\w+)"/g)].map(([, name]) => name);

  expect(new Set(fired)).toEqual(new Set(names));
});

test("Prometheus takes the rules, and each alert fires when it should and not otherwise", async ({
  skip,
}) => {
  skip(!hasPromtool, "promtool is not installed");

  expect(await output("promtool", ["check", "rules", "alerts.yaml"], directory)).toContain("SUCCESS");
  expect(await output("promtool", ["test", "rules", "alerts.test.yaml"], directory)).toContain("SUCCESS");
});

test("Prometheus takes the configuration of the composed cluster", async ({ skip }) => {
  skip(!hasPromtool, "promtool is not installed");

  const args = ["check", "config", "--syntax-only", "prometheus.yaml"];
  expect(await output("promtool", args, directory)).toContain("SUCCESS");
});
