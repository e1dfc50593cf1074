// Imports orders, or items of orders, from a file: `npm run import`.
import { styleText } from "node:util";
import { type CommittedChunk, createCommerceClient } from "../client/src/grpc.ts";
import { endings, type Ending, toExitCode } from "./endings.ts";
import { help, readOptions, type Options } from "./import/options.ts";
import { startProgress } from "./import/progress.ts";
import { cutRefusals, listRefusals } from "./import/refusals.ts";
import { readState, writeState, type State } from "./import/resume.ts";
import { expectUnchanged, openSource, type Source } from "./import/source.ts";

// An output that is closed early, as by `| head`, does not stop an import.
for (const output of [process.stdout, process.stderr]) output.on("error", () => {});

/** With their waits some eight seconds, in which a server restarts. */
const retry = { attemptsMax: 12 };

process.exitCode = await main();

async function main(): Promise<number> {
  await using opening = new AsyncDisposableStack();
  let options: Options;
  let state: State;
  let source: Source | undefined;
  try {
    const asked = readOptions();
    if (asked === "help") {
      console.log(help);
      return 0;
    }
    options = asked;
    state = await readState(options.resume, options.requestId);
    if (state.isDone) await expectUnchanged(options.file, state.checkpoint);
    else source = opening.use(await openSource(options, state));
  } catch (error) {
    console.error(toMessage(error));
    return 2;
  }
  try {
    if (source === undefined) console.log(alreadyImported(options));
    else state = await run(options, source, state);
  } catch (error) {
    const stopped = styleText("red", "the import stopped", { stream: process.stderr });
    console.error(`${stopped}: ${toMessage(error)}; ${goOn(options, state)}`);
    return 1;
  }
  return report(options, state);
}

async function run({ url, resume, refused }: Options, source: Source, initial: State): Promise<State> {
  const { queue } = source;
  using client = createCommerceClient({ baseUrl: url, retry });
  let state = { ...initial, refusedBytes: await cutRefusals(refused, initial.refusedBytes) };
  // Before the first row is sent, so that an import that breaks before its first answer keeps its request id.
  await writeState(resume, state);
  const progress = startProgress(source.bytes, state, process.stderr);
  // Answered rows are in the resume file.
  const end = (signal: Ending): void => {
    progress.stop();
    console.error(`ended by ${signal}; ${goOn({ resume }, initial)}`);
    process.exit(toExitCode(signal));
  };
  // Not once: a second signal must not kill it before it has ended by the first.
  for (const signal of endings) process.on(signal, end);

  const take = async (chunk: CommittedChunk): Promise<void> => {
    const rows = queue.acknowledge(Number(chunk.lastIndex));
    state = {
      ...state,
      nextIndex: queue.nextIndex,
      inserted: state.inserted + chunk.insertedCount,
      existing: state.existing + chunk.existingCount,
      refused: state.refused + chunk.refused.length,
      checkpoint: rows.at(-1)?.end ?? state.checkpoint,
      refusedBytes: state.refusedBytes + (await listRefusals(refused, chunk, rows)),
    };
    await writeState(resume, state);
    progress.update(state);
  };
  try {
    for await (const chunk of source.send(client)) await take(chunk);
    state = { ...state, isDone: true, checkpoint: source.lines.end };
    await writeState(resume, state);
    progress.update(state);
    return state;
  } finally {
    for (const signal of endings) process.off(signal, end);
    progress.stop();
  }
}

function report({ refused: list }: Options, { inserted, existing, refused, requestId }: State): number {
  const counts = `${inserted} inserted, ${existing} there before, ${refused} refused`;
  console.log(`${refused > 0 ? styleText("yellow", counts) : counts} (request id ${requestId})`);
  if (refused > 0 && list !== undefined) console.log(`refused rows: ${list}`);
  return refused > 0 ? 1 : 0;
}

/** Says how to resume an import that has stopped. */
function goOn({ resume }: Pick<Options, "resume">, { requestId }: State): string {
  const again = resume === undefined ? `with --request-id ${requestId} ` : "";
  return `the same command ${again}goes on and imports nothing twice`;
}

function alreadyImported({ resume }: Options): string {
  return (
    `already imported, says ${resume}; put corrected rows into a file of their own, ` +
    `for without ${resume} all rows would be imported a second time`
  );
}

function toMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
