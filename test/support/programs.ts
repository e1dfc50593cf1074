import { execFile } from "node:child_process";
import { promisify } from "node:util";

const execute = promisify(execFile);

/** Whether a program that the tests do not bring is installed. */
export async function hasProgram(program: string, ...args: string[]): Promise<boolean> {
  return await execute(program, args).then(
    () => true,
    () => false,
  );
}

/** Runs a program to its end; returns all that it says, and throws that if it fails. */
export async function output(program: string, args: readonly string[], cwd?: string): Promise<string> {
  const { stdout, stderr } = await execute(program, args, { cwd, maxBuffer: 16 * 2 ** 20 });
  return stdout + stderr;
}
