import { randomUUID } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import type { Checkpoint } from "./lines.ts";

/** The state of an import. */
export type State = {
  readonly requestId: string;
  /** The index of the first row without an answer. */
  readonly nextIndex: number;
  readonly inserted: number;
  readonly existing: number;
  readonly refused: number;
  /** True when all rows were answered. */
  readonly isDone: boolean;
  /** The position after the last answered row; at the end of the file when all are answered. */
  readonly checkpoint?: Checkpoint | undefined;
  /** The length of the list of refused rows, in bytes. */
  readonly refusedBytes?: number;
};

/**
 * Reads the state from a resume file, or creates that of a new import. Throws if the request id differs from
 * the file's.
 */
export async function readState(file: string | undefined, requestId: string | undefined): Promise<State> {
  const stored = file === undefined ? undefined : await readIfThere(file);
  if (stored && requestId !== undefined && stored.requestId !== requestId)
    throw new Error(`${file} belongs to the request id ${stored.requestId}`);
  if (stored) return stored;
  const counts = { nextIndex: 0, inserted: 0, existing: 0, refused: 0, refusedBytes: 0, isDone: false };
  return { requestId: requestId ?? randomUUID(), ...counts };
}

/** Writes a resume file atomically: a crash leaves the old one or the new one. */
export async function writeState(file: string | undefined, state: State): Promise<void> {
  if (file === undefined) return;
  await writeFile(`${file}.new`, `${JSON.stringify(state)}\n`);
  await rename(`${file}.new`, file);
}

async function readIfThere(file: string): Promise<State | undefined> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    const state = JSON.parse(text) as State;
    if (typeof state.requestId === "string" && Number.isSafeInteger(state.nextIndex)) return state;
  } catch {
    // Reported below.
  }
  throw new Error(`${file} is not a resume file`);
}
