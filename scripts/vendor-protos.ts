// Copies the protos of other projects that ours import, and those of the services beside ours, from the npm
// packages that ship them into third_party/, and writes third_party/README.md. They are committed: the
// contract compiles as it is cloned.
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";

const root = path.join(import.meta.dirname, "..");
const target = path.join(root, "third_party");

/** The files by the packages that ship them, each with its path there. */
const packages: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "google-gax": {
    "google/rpc/code.proto": "build/protos/google/rpc/code.proto",
    "google/rpc/error_details.proto": "build/protos/google/rpc/error_details.proto",
    "google/rpc/status.proto": "build/protos/google/rpc/status.proto",
    "google/type/money.proto": "build/protos/google/type/money.proto",
  },
  "grpc-health-check": {
    "grpc/health/v1/health.proto": "proto/health/v1/health.proto",
  },
  "@grpc/reflection": {
    "grpc/reflection/v1/reflection.proto": "build/proto/grpc/reflection/v1/reflection.proto",
    "grpc/reflection/v1alpha/reflection.proto": "build/proto/grpc/reflection/v1alpha/reflection.proto",
  },
};

const toRow = (file: string, source: string): string => `| \`${file}\` | ${source} |\n`;
const validate =
  "protovalidate 1.2.0 (github.com/bufbuild/protovalidate): `proto/protovalidate/buf/validate`";
const rows = [toRow("buf/validate/validate.proto", validate)];
for (const [name, files] of Object.entries(packages)) {
  const home = path.join(root, "node_modules", name);
  const { version } = JSON.parse(await readFile(path.join(home, "package.json"), "utf8")) as {
    version: string;
  };
  for (const [to, from] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(target, to)), { recursive: true });
    await cp(path.join(home, from), path.join(target, to));
    rows.push(toRow(to, `${name} ${version} (npm): \`${from}\``));
  }
}

const readme = `# Protos of other projects

Unchanged copies, so that the contract compiles as it is cloned. All of them are under the Apache License 2.0
([LICENSE](LICENSE), [buf/LICENSE](buf/LICENSE)); the headers of the files name their copyright holders.
\`npm run generate\` copies those of npm packages and writes this table.

| file | source |
|---|---|
${rows.toSorted().join("")}
No npm package ships \`validate.proto\` as text. \`test/third-party.test.ts\` compares what it compiles to
with the descriptor in @bufbuild/protovalidate, by which the service checks requests: a newer validator may
need a newer copy.
`;
await writeFile(path.join(target, "README.md"), readme);
