import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { root } from "../support/embedded.ts";
import { type Asked, readExpression, readScrape } from "../support/promql.ts";
import { openShop } from "../support/shop.ts";

type Known = { readonly type: string; readonly labels: ReadonlySet<string> };
type Panel = {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string; readonly legendFormat?: string }[];
};
type Dashboard = {
  readonly panels: readonly Panel[];
  readonly annotations: { readonly list: readonly { readonly expr: string; readonly titleFormat: string }[] };
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] };
};
type Rule = {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly annotations?: Readonly<Record<string, string>>;
};
/** An expression, where it stands, and the labels that are shown of its result. */
type Use = Asked & { readonly at: string; readonly shown: readonly string[] };

const read = (file: string): string => readFileSync(path.join(root, file), "utf8");

/** What Prometheus tells itself, and what a service does only with TLS or with more than one process. */
const others = new Map<string, Known>(
  Object.entries({
    commerce_tls_certificate_expiry_timestamp_seconds: [],
    commerce_workers_configured: [],
    commerce_workers_serving: [],
    commerce_worker_restarts_total: [],
    ALERTS: ["alertname", "alertstate"],
  }).map(([name, labels]) => [name, { type: "gauge", labels: new Set(labels) }]),
);
/** What Prometheus adds to each sample, and to an alert. */
const added = ["job", "instance"];

const dashboard = JSON.parse(read("deploy/grafana/commerce-core.json")) as Dashboard;
const { groups } = parse(read("deploy/prometheus/alerts.yaml")) as { groups: { rules: Rule[] }[] };
const rules = groups.flatMap((group) => group.rules);
const uses: Use[] = [
  ...rules.map(({ alert, record, expr, annotations = {} }) =>
    use(alert ?? record!, expr, JSON.stringify(annotations).matchAll(/\$labels\.(\w+)/g)),
  ),
  ...dashboard.panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr, legendFormat = "" }) => use(title, expr, legendFormat.matchAll(/\{\{(\w+)\}\}/g))),
  ),
  ...dashboard.annotations.list.map(({ expr, titleFormat }) =>
    use(titleFormat, expr, titleFormat.matchAll(/\{\{(\w+)\}\}/g)),
  ),
  ...dashboard.templating.list.flatMap(({ name, definition }) =>
    definition ? [use(name, definition, [])] : [],
  ),
];

function use(at: string, expression: string, shown: Iterable<RegExpExecArray>): Use {
  return { at, ...readExpression(expression), shown: Array.from(shown, ([, label]) => label!) };
}

/** The labels that docs/telemetry.md gives to each metric of the service. */
function readDocumented(): Map<string, string[]> {
  const names = (cell: string): string[] => [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name!);
  const rows = [...read("docs/telemetry.md").matchAll(/^\| (`[^|]+) \|([^|]*)\|/gm)];
  return new Map(
    rows.flatMap(([, metrics, labels]) => names(metrics!).map((name) => [name, names(labels!)])),
  );
}

test("each metric, label and reason on the dashboard and in the alerts exists", async () => {
  await using shop = await openShop();
  const { id } = await shop.user();
  await shop.order([await shop.product()]);
  await shop.users.getUser({ id: "22222222-2222-4222-8222-222222222222" }).catch(() => undefined);
  await shop.users.getUser({ id });

  const scraped = readScrape(
    await (await fetch(`http://127.0.0.1:${shop.server.admin.port}/metrics`)).text(),
  );
  const documented = readDocumented();
  const known = (metric: string): Known | undefined => {
    const base = metric.replace(/_(bucket|sum|count)$/, "");
    const told = scraped.get(metric) ?? others.get(metric);
    const ofHistogram = /^(histogram|summary)$/.test(scraped.get(base)?.type ?? "")
      ? scraped.get(base)
      : undefined;
    const { type, labels } = (metric === base ? told : (ofHistogram ?? told)) ?? {};
    if (type === undefined || labels === undefined) return undefined;
    return {
      type,
      labels: new Set([...labels, ...(documented.get(ofHistogram ? base : metric) ?? []), ...added]),
    };
  };

  expect(uses.length).toBeGreaterThan(60);
  const unknown = uses.flatMap(({ at, selectors }) =>
    selectors.filter(({ metric }) => !known(metric)).map(({ metric }) => `${at}: ${metric}`),
  );
  expect(unknown).toEqual([]);
  const wrong = uses.flatMap(({ at, selectors, grouping, shown }) => {
    const ofAll = new Set(selectors.flatMap(({ metric }) => [...known(metric)!.labels]).concat(added));
    const chosen = selectors.flatMap(({ metric, matchers }) =>
      matchers.filter(({ label }) => !known(metric)!.labels.has(label)).map(({ label }) => label),
    );
    return [...chosen, ...[...grouping, ...shown].filter((label) => !ofAll.has(label))].map(
      (label) => `${at}: ${label}`,
    );
  });
  expect(wrong).toEqual([]);
});

test("the labels of the metrics that are told are those of the documentation", async () => {
  await using shop = await openShop();
  await shop.order([await shop.product()]);

  const scraped = readScrape(
    await (await fetch(`http://127.0.0.1:${shop.server.admin.port}/metrics`)).text(),
  );
  const told = [...readDocumented()].flatMap(([name, labels]) => {
    const { labels: own } = scraped.get(name) ?? { labels: new Set<string>() };
    own.delete("le");
    return own.size === 0 ? [] : [{ name, labels: labels.toSorted(), told: [...own].toSorted() }];
  });

  expect(told.length).toBeGreaterThan(10);
  expect(told.map(({ name, told: own }) => ({ name, labels: own }))).toEqual(
    told.map(({ name, labels }) => ({ name, labels })),
  );
});

test("codes and reasons by which series are chosen are those of the contract", () => {
  const reasons = new Set(
    read("docs/errors.md")
      .match(/^\| [A-Z_]+ /gm)!
      .map((cell) => cell.slice(2, -1)),
  );
  const codes = new Set([
    "OK",
    ...read("docs/errors.md")
      .match(/^## [A-Z_]+$/gm)!
      .map((line) => line.slice(3)),
  ]);
  const rare = new Set(["DATA_LOSS"]);
  const allowed = new Map([
    ["rpc_response_status_code", new Set([...codes, ...rare])],
    ["error_type", new Set([...reasons, ""])],
    ["limit", reasons],
    ["cause", reasons],
  ]);

  const wrong = uses.flatMap(({ at, selectors }) =>
    selectors
      .flatMap(({ matchers }) => matchers)
      .flatMap(({ label, values }) => values.filter((value) => allowed.get(label)?.has(value) === false))
      .map((value) => `${at}: ${value}`),
  );

  expect(wrong).toEqual([]);
});

test("a result that an alert uses is recorded", () => {
  const recorded = new Set(rules.flatMap(({ record }) => record ?? []));

  expect(new Set(uses.flatMap((each) => each.recorded))).toEqual(recorded);
});
