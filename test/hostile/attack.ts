import type { Answer } from "./answers.ts";
import type { Mode, Target } from "./target.ts";

/** How much of an attack is played. */
export type Form = {
  /** Requests, streams or connections: what the attack is made of. */
  readonly count: number;
  /** How long it goes on, or how long the attacker waits for what it is due. */
  readonly ms: number;
};

/** Something that a peer may do to the service, and what it is to be answered. */
export type Attack = {
  /** Kebab case: what `--attack` names. */
  readonly name: string;
  readonly what: string;
  /** The service that it is played against. */
  readonly mode: Mode;
  /** As a test. */
  readonly small: Form;
  /** As a burden. */
  readonly long: Form;
  /**
   * The answers that the attacker may get: a code with a reason, or the beginning of one before an asterisk.
   * Each answer must be one of them.
   */
  readonly answers: readonly string[];
  /** Answers of which one must have come, where it is not enough that others may: a refusal, an ending. */
  readonly due?: readonly string[];
  /** Whether time-outs of the service, of seconds, end it: in the small form it may stay open. */
  readonly endsByTimeout?: boolean;
  /** Plays it. What is left open is closed when it resolves. */
  readonly play: (target: Target, form: Form) => Promise<readonly Answer[]>;
};

/** How often each answer came, the most frequent first. */
export function countAnswers(answers: readonly Answer[]): [answer: Answer, times: number][] {
  const counts = new Map<Answer, number>();
  for (const answer of answers) counts.set(answer, (counts.get(answer) ?? 0) + 1);
  return Array.from(counts).toSorted(([, a], [, b]) => b - a);
}

/** The answers that the attack does not allow. */
export function wrongAnswers(attack: Attack, answers: readonly Answer[], isSmall: boolean): Answer[] {
  const allowed = [...attack.answers, ...(isSmall && attack.endsByTimeout ? ["UNANSWERED"] : [])];
  const fits = (answer: Answer, pattern: string): boolean =>
    pattern.endsWith("*") ? answer.startsWith(pattern.slice(0, -1)) : answer === pattern;
  const hasCome = (pattern: string): boolean => answers.some((answer) => fits(answer, pattern));
  const due = attack.due?.some(hasCome) === false ? [`never ${attack.due.join(", ")}`] : [];
  if (answers.length === 0) return ["no answer at all"];
  const wrong = answers.filter((answer) => !allowed.some((pattern) => fits(answer, pattern)));
  return Array.from(new Set([...wrong, ...due]));
}
