/** What stands before the version in files that have it once; the lock file has it for each package. */
const prefixes = {
  "package.json": '"version": "',
  "client/package.json": '"version": "',
  Dockerfile: "ARG VERSION=",
  "deploy/kubernetes/components/image/kustomization.yaml": "newTag: ",
  "deploy/README.md": "/commerce-core:",
} as const;

type Prefixed = keyof typeof prefixes;

const lockFile = "package-lock.json";

/** The files that have the version of the service, as paths from the root. */
export const versionedFiles = [...(Object.keys(prefixes) as Prefixed[]), lockFile] as const;

/** The text of one of the files with another version; all else stays as it is. */
export function setVersion(file: Prefixed | typeof lockFile, text: string, version: string): string {
  if (file === lockFile) return setLockedVersion(text, version);
  const prefix = prefixes[file];
  const from = text.indexOf(prefix) + prefix.length;
  if (from < prefix.length) throw new Error(`${file} has no version: there is no ${prefix}`);
  return text.slice(0, from) + text.slice(from).replace(/^[\d.]+/, version);
}

/** As npm writes the file. */
function setLockedVersion(text: string, version: string): string {
  const lock = JSON.parse(text) as { version: string; packages: Record<string, { version?: string }> };
  lock.version = version;
  for (const name of ["", "client"]) lock.packages[name]!.version = version;
  return `${JSON.stringify(lock, null, 2)}\n`;
}
