/** What an expression of PromQL asks for: its metrics with the labels and values that they are chosen by. */
export type Asked = {
  readonly selectors: readonly { readonly metric: string; readonly matchers: readonly Matcher[] }[];
  /** Labels of `by`, `on` and `label_values`. */
  readonly grouping: readonly string[];
  /** Results of recording rules. */
  readonly recorded: readonly string[];
};

type Matcher = { readonly label: string; readonly values: readonly string[] };

const own = /\b(?:rpc|db|commerce|process|nodejs)_\w+/g;

/** Reads an expression, or a query of a variable of Grafana's, as far as the names in it go. */
export function readExpression(expression: string): Asked {
  const grouping: string[] = [];
  const selectors: Asked["selectors"][number][] = [];
  const recorded: string[] = [];
  const rest = expression
    .replace(/\b\w+:[\w:]+/g, (name) => {
      recorded.push(name);
      return "";
    })
    .replace(/\blabel_values\((.+), (\w+)\)$/, (_, series: string, label: string) => {
      grouping.push(label);
      return series;
    })
    .replace(/\b(?:by|on) \(([^)]*)\)/g, (_, labels: string) => {
      grouping.push(...labels.split(/,\s*/).filter((label) => label !== ""));
      return "";
    })
    .replace(/\b(\w+)\{([^}]*)\}/g, (_, metric: string, matchers: string) => {
      const read = [...matchers.matchAll(/(\w+)(?:=~|!~|!=|=)"([^"]*)"/g)];
      selectors.push({
        metric,
        matchers: read.map(([, label, value]) => ({ label: label!, values: value!.split("|") })),
      });
      return "";
    });
  selectors.push(...(rest.match(own) ?? []).map((metric) => ({ metric, matchers: [] })));
  return { selectors, grouping, recorded };
}

/** The metrics of a scrape: the type of each, and the labels that its samples have. */
export function readScrape(
  text: string,
): Map<string, { readonly type: string; readonly labels: Set<string> }> {
  const metrics = new Map(
    [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [
      name!,
      { type: type!, labels: new Set<string>() },
    ]),
  );
  for (const [, name, labels] of text.matchAll(/^(\w+)(?:\{(.*)\})? \S+$/gm)) {
    const metric = metrics.get(name!) ?? metrics.get(name!.replace(/_(bucket|sum|count)$/, ""));
    for (const [, label] of (labels ?? "").matchAll(/(\w+)="/g)) metric?.labels.add(label!);
  }
  return metrics;
}
