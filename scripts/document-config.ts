// Writes the table of variables into its document, between two markers; an argument names another file.
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { names, variables } from "../src/config/environment.ts";

const start = "<!-- configuration -->";
const end = "<!-- /configuration -->";

const file = process.argv[2] ?? path.join(import.meta.dirname, "../docs/configuration.md");
const text = await readFile(file, "utf8").catch(() => "");
const [from, to] = [text.indexOf(start), text.indexOf(end)];
if (from === -1 || to < from) {
  console.error(`${file} has no lines ${start} and ${end} for the configuration table.`);
  process.exit(1);
}
await writeFile(file, `${text.slice(0, from + start.length)}\n\n${table()}\n\n${text.slice(to)}`);

function table(): string {
  const rows = names.map(
    (name) => `| \`${name}\` | ${defaultOf(name)} | ${variables.shape[name].description} |`,
  );
  return ["| Variable | Default | Meaning |", "| --- | --- | --- |", ...rows].join("\n");
}

/** The default as an operator would write it; in words if other variables decide it. */
function defaultOf(name: (typeof names)[number]): string {
  const schema = variables.shape[name];
  const fallback = schema.meta()?.["fallback"];
  if (typeof fallback === "string") return fallback;
  return schema.type === "prefault" ? `\`${schema.def.defaultValue}\`` : "";
}
