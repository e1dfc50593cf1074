import { existsSync } from "node:fs";
import { mkdir, rename } from "node:fs/promises";
import path from "node:path";
import packaged from "@sparticuz/chromium";
import { chromium, type Browser } from "playwright-core";
import { root } from "./embedded.ts";

/** Whether there is a Chromium for this machine: its package has one for Linux on x64. */
export const hasChromium = process.platform === "linux" && process.arch === "x64";

/** The arguments of the package, but for the one that would let any page read any answer. */
const args = packaged.args.filter((arg) => arg !== "--disable-web-security");

/** Starts a browser. It is unpacked once, into the cache beside the packages. */
export async function openBrowser(): Promise<Browser> {
  const cache = path.join(root, "node_modules/.cache/chromium");
  if (!existsSync(cache)) await unpack(cache);
  return chromium.launch({ executablePath: path.join(cache, "chromium"), args, headless: true });
}

/** The package unpacks into the directory for temporary files, and takes a half of it for the whole. */
async function unpack(directory: string): Promise<void> {
  const part = `${directory}.${process.pid}`;
  await mkdir(part, { recursive: true });
  const { TMPDIR } = process.env;
  process.env["TMPDIR"] = part;
  await packaged.executablePath();
  if (TMPDIR === undefined) delete process.env["TMPDIR"];
  else process.env["TMPDIR"] = TMPDIR;
  await rename(part, directory);
}
