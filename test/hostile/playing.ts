import { setTimeout as sleep } from "node:timers/promises";
import { type Attack, countAnswers, type Form, wrongAnswers } from "./attack.ts";
import type { Answer } from "./answers.ts";
import { GET_USER, inParallel, portOf, toBody, toFields } from "./messages.ts";
import { connectPeer } from "./peer.ts";
import type { Report } from "./monitor.ts";
import type { Target } from "./target.ts";

/** What an attack has done. */
export type Result = {
  readonly attack: Attack;
  readonly seconds: number;
  readonly answers: readonly (readonly [answer: Answer, times: number])[];
  /** Answers that the attack must not get. */
  readonly wrong: readonly Answer[];
  /** How the process has ended, if it has. */
  readonly ended: string | undefined;
  readonly report: Report;
  /** Resident bytes a while after the attack. */
  readonly residentAfter: number;
};

/** Plays an attack beside the monitor, and waits `restMs` before the last look at the memory. */
export async function playAttack(
  target: Target,
  attack: Attack,
  form: Form,
  { restMs, isSmall }: { readonly restMs: number; readonly isSmall: boolean },
): Promise<Result> {
  await target.monitor.begin();
  const start = performance.now();
  const answers = await attack.play(target, form).catch((error: Error) => [`THE ATTACK: ${error.message}`]);
  const seconds = (performance.now() - start) / 1000;
  const report = await target.monitor.report();
  // What an attacker has left behind may still be under way.
  if (restMs > 0 && target.ended() === undefined) await sleep(restMs);
  const rested = restMs > 0 ? await target.monitor.report() : report;
  return {
    attack,
    seconds,
    answers: countAnswers(answers),
    wrong: wrongAnswers(attack, answers, isSmall),
    ended: target.ended(),
    report: rested,
    residentAfter: rested.resident.now,
  };
}

/** As many calls as normal callers make in seconds: a process that has just started is smaller than later. */
const WARM_CALLS = 10_000;

/** Lets a service that has started grow to what it is under normal calls. Over TLS it stays as it is. */
export async function warm(target: Target): Promise<void> {
  if (target.mode === "tls") return;
  const message = Buffer.concat([Buffer.of(0x0a, target.user.id.length), Buffer.from(target.user.id)]);
  for (const way of ["gRPC port", "gRPC"] as const) {
    using peer = await connectPeer(portOf(target, way));
    const fields = toFields(way, GET_USER, { token: target.token });
    await inParallel(50, async () => {
      for (let calls = 0; calls < WARM_CALLS / 100; calls++) {
        const stream = peer.open(fields);
        void stream.send(toBody(way, message), { end: true });
        await stream.answer;
      }
    });
  }
}

const MEBI = 2 ** 20;

/** What the service must keep to under each attack, on two cores with a heap of 1 GiB. */
export const REACH = { stallMs: 250, residentBytes: 400 * MEBI, leftBytes: 64 * MEBI } as const;

/** What of the reach the attack has broken. */
export function judge({ wrong, ended, report, residentAfter }: Result): string[] {
  const { failed, stallMs, resident } = report;
  const broken: string[] = [];
  const times = Object.values(failed).reduce((sum, each) => sum + each, 0);
  if (ended !== undefined) broken.push(`ended (${ended})`);
  if (times > 0) broken.push(`${times} failed`);
  if (stallMs.health > REACH.stallMs) broken.push("stall");
  if (resident.peak > REACH.residentBytes) broken.push("memory");
  if (residentAfter > resident.before + REACH.leftBytes) broken.push("memory kept");
  if (wrong.length > 0) broken.push("answers");
  return broken;
}
