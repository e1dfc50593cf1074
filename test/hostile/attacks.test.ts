import { afterAll, expect, test } from "vitest";
import { createTestDatabase } from "../support/databases.ts";
import { attacks } from "./attacks.ts";
import { playAttack, REACH, type Result } from "./playing.ts";
import { type Mode, startTarget, type Target } from "./target.ts";

/** No test asserts on times: so long takes a service that answers nobody, however busy the machine is. */
const STALL_MS_MAX = 2_000;

/** What the next test is to find held: what is above it is a reason for a service of its own. */
const HELD_BYTES_MAX = 300 * 2 ** 20;

// The attacks in their small form, one after the other against one service for each mode, which is started by
// its first attack, and again behind one that has hurt it.
const owned = new AsyncDisposableStack();
const targets = new Map<Mode, Target>();
afterAll(() => owned.disposeAsync());

const targetOf = async (mode: Mode): Promise<Target> => {
  const known = targets.get(mode);
  if (known) return known;
  const { connection } = owned.use(await createTestDatabase());
  const target = owned.use(await startTarget(connection, mode));
  targets.set(mode, target);
  return target;
};

test.each(attacks.map((attack) => [attack.name, attack.what, attack] as const))(
  "%s is answered and hurts no caller beside it: %s",
  async (name, _what, attack) => {
    const target = await targetOf(attack.mode);

    const result = await playAttack(target, attack, attack.small, { restMs: 0, isSmall: true });

    console.log(`${name}: ${toLine(result)}`);
    if (isHurt(result)) {
      targets.delete(attack.mode);
      await target[Symbol.asyncDispose]();
    }
    expect(toVerdict(result)).toEqual({
      ended: undefined,
      failed: {},
      wrong: [],
      stallMs: "within bounds",
      resident: "within bounds",
    });
  },
);

/** Whether the next attack needs a service of its own, so that no two attacks are taken for one. */
function isHurt({ ended, report: { failed, stallMs }, residentAfter }: Result): boolean {
  const isSlow = Object.keys(failed).length > 0 || stallMs.health > STALL_MS_MAX;
  return ended !== undefined || isSlow || residentAfter > HELD_BYTES_MAX;
}

/** What an attack must leave as it is: numbers are named only where they are out of bounds. */
function toVerdict({ ended, wrong, report }: Result): Record<string, unknown> {
  const { failed, stallMs, resident } = report;
  return {
    ended,
    failed,
    wrong,
    stallMs: stallMs.health > STALL_MS_MAX ? stallMs.health : "within bounds",
    resident: resident.peak > REACH.residentBytes ? resident.peak : "within bounds",
  };
}

function toLine({ seconds, answers, report }: Result): string {
  const { stallMs, getUserMs, resident } = report;
  const mebi = [resident.before, resident.peak].map((bytes) => (bytes / 2 ** 20).toFixed(0)).join(" to ");
  const said = answers.map(([answer, times]) => `${answer} × ${times}`).join(", ");
  const stall = `health ${stallMs.health.toFixed(0)} ms, p99 of GetUser ${getUserMs.p99.toFixed(0)} ms`;
  return `${seconds.toFixed(1)} s, ${stall}, ${mebi} MiB; ${said}`;
}
