import { readFileSync } from "node:fs";

/** Linux counts processor time in hundredths of a second, whatever its own clock does (USER_HZ). */
const msPerTick = 10;

/** Processor time that a process has used, in milliseconds; 0 of one whose pid, 0, is not known. */
export function readCpuMs(pid: number): number {
  if (pid === 0) return 0;
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The program's name stands in parentheses and may hold anything; utime and stime are the 12th and 13th
  // fields behind it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * msPerTick;
}

/** Resident memory of a process, in MiB. */
export function readResidentMiB(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) / 1024;
}
