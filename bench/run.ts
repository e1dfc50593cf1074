// Compares the service with the tutorial, with connect-node and with the bare database: `npm run bench`.
import { writeFile } from "node:fs/promises";
import { availableParallelism, loadavg, totalmem } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import { runFlashSale } from "./flash-sale.ts";
import { runGrowth } from "./growth.ts";
import { runIngest } from "./ingest.ts";
import { runRow } from "./measure.ts";
import { runParts } from "./parts.ts";
import { listPeerRows, runPeerRow } from "./peer-rows.ts";
import { expectReachable, parsePeers, type Peer, PeerError } from "./peers.ts";
import { type Plan, quick, whole } from "./plan.ts";
import { runIdle, runStarts } from "./process-rows.ts";
import type { Result } from "./results.ts";
import { type Contestant, listRows, type Row } from "./rows.ts";
import { openStage, type Stage } from "./stage.ts";
import { toTable } from "./table.ts";
import { toVerdicts } from "./targets.ts";

const options = {
  quick: { type: "boolean", default: false },
  row: { type: "string", multiple: true },
  "in-flight": { type: "string" },
  switches: { type: "boolean", default: false },
  json: { type: "string" },
  against: { type: "string" },
  peer: { type: "string", multiple: true },
  "peer-pid": { type: "string", multiple: true },
  profile: { type: "string" },
  growth: { type: "string" },
  parts: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

const asked = readOptions();
const help = `npm run bench -- [options]

  --quick       short slices and small tables: whether all runs, in a minute; its figures say little
  --row NAME    only this row; may be given more than once
  --in-flight N so many callers in the place of each row's own number, without verdicts on targets; only rows
                that are measured in slices of time
  --switches    also measures the service with CALL_COALESCE=false, in rows of its own
  --against DIR measures the service and that of another checkout, such as one in which a trick is undone,
                and nothing else
  --peer URL    measures the service and another server of its contract, such as your own, and nothing else;
                host:port, http:// or https://; may be given more than once. Both begin without orders, and
                the bench makes users, products and orders at both by the contract's methods. It leaves them
                there: give it a database that you can throw away
  --peer-pid N  the process of that peer, whose processor time is read then; once for each --peer
  --json FILE   writes the figures as an array of objects
  --growth N,M  instead of the rows: how calls grow dearer on tables of N and of M orders, with callers and
                with replicas; 10000,1000000 takes some four minutes, ten million orders some fifteen
  --parts       instead of the rows: processor time of the parts of a GetUser and of a page of orders, and of
                servers that have fewer of them
  --profile DIR writes a CPU profile of the service, for Chrome's developer tools or speedscope

Rows:
${listMeasurements(asked)
  .map(({ name, title }) => `  ${name.padEnd(21)}${title}`)
  .join("\n")}

Exit code 1 if the service failed a call or sold what it had not, 2 if an option cannot be read or a peer
cannot be measured.`;

type Measurement = {
  readonly name: string;
  readonly title: string;
  readonly run: (stage: () => Promise<Stage>, plan: Plan) => Promise<Result[]>;
};

if (asked.help) console.log(help);
else
  process.exitCode = await main(asked).catch((error: unknown) => {
    if (!(error instanceof PeerError)) throw error;
    console.error(error.message);
    return 2;
  });

async function main(values: ReturnType<typeof readOptions>): Promise<number> {
  const plan = values.quick ? quick : whole;
  const chosen = listMeasurements(values).filter(
    ({ name }) => values.row === undefined || values.row.includes(name),
  );
  for (const peer of values.peers) await expectReachable(peer);
  console.log(describeMachine());
  await using resources = new AsyncDisposableStack();
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => void resources.disposeAsync().then(() => process.exit(1)));
  if (values.growth !== undefined) {
    console.log(`\n${toTable(await runGrowth(toSizes(values.growth), plan, resources))}`);
    return 0;
  }
  let opened: Promise<Stage> | undefined;
  const stage = (): Promise<Stage> =>
    (opened ??= openStage(values.peers.length > 0 ? 0 : plan.orders, values).then((each) =>
      resources.use(each),
    ));
  if (values.parts) {
    console.log(`\n${await runParts(await stage(), plan)}`);
    return 0;
  }
  const results: Result[] = [];
  for (const { name, title, run } of chosen) {
    console.log(`${name}: ${title}`);
    results.push(...(await run(stage, plan)));
  }
  if (values.peers.length > 0 && results.length === 0) throw new PeerError("no row could be measured");
  // Targets are for the rows' own numbers of callers and their own tables.
  const isUsual = values["in-flight"] === undefined && values.peers.length === 0;
  const verdicts = isUsual ? `\n\n${toVerdicts(results).join("\n")}` : "";
  console.log(`\n${toTable(results)}${verdicts}\n\n${describeMachine()}`);
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(results, undefined, 1)}\n`);
  const ours = results.filter(({ contestant, inFlight }) => contestant === "ours" && inFlight > 0);
  const unsound = ours.filter(({ acknowledged, failed }) => failed > 0 || acknowledged === 0);
  for (const { row, acknowledged, failed } of unsound)
    console.error(`${row}: the service acknowledged ${acknowledged} calls and failed ${failed}`);
  return unsound.length === 0 ? 0 : 1;
}

type Choice = {
  readonly switches: boolean;
  readonly peers: readonly Peer[];
  readonly against?: string | undefined;
  readonly "in-flight"?: string | undefined;
};

function listMeasurements(choice: Choice): Measurement[] {
  const { against, "in-flight": inFlight, peers } = choice;
  if (peers.length > 0)
    return listPeerRows(inFlight === undefined ? undefined : Number(inFlight)).map((row) => ({
      name: row.name,
      title: row.title,
      run: async (stage, plan) =>
        runPeerRow(
          await stage(),
          row,
          plan,
          peers.map(({ name }) => name),
        ),
    }));
  const listed =
    inFlight === undefined
      ? listRows()
      : listRows().flatMap((row) => (row.bulk ? [] : { ...row, inFlight: Number(inFlight) }));
  const rows = listed.map((row): Measurement => {
    const { name, title } = row;
    const run: Measurement["run"] = async (stage, plan) =>
      runRow(await stage(), row, plan, chooseContestants(row, choice));
    return { name, title, run };
  });
  if (against !== undefined || inFlight !== undefined) return rows;
  return [
    // First: nothing else runs yet.
    {
      name: "start",
      title: "from the start of the process to its ready line, in a directory that was used before",
      run: (_, plan) => runStarts(plan),
    },
    {
      name: "idle-memory",
      title: "resident memory of the service's process after its start",
      run: () => runIdle(),
    },
    ...rows,
    {
      name: "flash-sale",
      title: "crowds buy the little stock of 10 products",
      run: async (stage, plan) => runFlashSale(await stage(), plan),
    },
    {
      name: "ingest",
      title:
        "resident memory while a million rows stream in, to a fast reader and to one who is slow and stops",
      run: async (stage, plan) => runIngest(await stage(), plan),
    },
  ];
}

function chooseContestants(row: Row, { switches, against }: Choice): Contestant[] {
  if (against !== undefined) return ["ours", "other checkout"];
  return switches && row.switchable ? [...row.contestants, "without batchers"] : [...row.contestants];
}

function toSizes(text: string): number[] {
  return text.split(",").map(Number);
}

function readOptions() {
  try {
    const { values: given } = parseArgs({ options });
    const { peer: urls = [], "peer-pid": pids = [] } = given;
    const values = { ...given, peers: parsePeers(urls, pids) };
    const others = (["switches", "growth", "against", "parts"] as const).filter((name) => values[name]);
    if (values.peers.length > 0 && others.length > 0)
      throw new Error(`--peer has rows of its own, without --${others[0]}`);
    if (values.growth !== undefined && !toSizes(values.growth).every((size) => size >= 100))
      throw new Error("--growth takes numbers of orders, of at least 100, with commas between them");
    const inFlight = Number(values["in-flight"] ?? 1);
    if (!Number.isSafeInteger(inFlight) || inFlight < 1 || inFlight > 1_000)
      throw new Error("--in-flight takes a number of callers, from 1 to 1000");
    if (values["in-flight"] !== undefined && values.growth !== undefined)
      throw new Error("--growth has numbers of callers of its own");
    const names = listMeasurements(values).map(({ name }) => name);
    const unknown = (values.row ?? []).filter((name) => !names.includes(name));
    if (unknown.length > 0) throw new Error(`there is no row ${unknown.join(", ")}`);
    return values;
  } catch (error) {
    console.error(`${(error as Error).message}; --help lists the options`);
    return process.exit(2);
  }
}

function describeMachine(): string {
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`;
  const [load] = loadavg();
  const now = `${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC`;
  const cores = `${availableParallelism()} cores`;
  return [now, cores, memory, `Node ${process.version}`, `load ${load!.toFixed(2)}`].join(", ");
}
