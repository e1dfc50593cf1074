// Loaded before a service: the clock of its machine is wrong.
const wrongMs = Number(process.env["CLOCK_WRONG_MS"]);
const now = Date.now;

globalThis.Date = class extends Date {
  constructor(...args: unknown[]) {
    super(...((args.length === 0 ? [now() + wrongMs] : args) as [number]));
  }

  static override now(): number {
    return now() + wrongMs;
  }
} as DateConstructor;
