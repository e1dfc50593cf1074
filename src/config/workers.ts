import { z } from "zod";
import { integer } from "./parsers.ts";

/** More than the cores of any usual machine; each worker takes some 100 MiB. */
export const workersMax = 128;

/** The variable for the processes that serve. */
export const workers = {
  WORKERS: z
    .union(
      [z.literal("auto"), integer(1, workersMax)],
      `must be auto or a whole number from 1 to ${workersMax}`,
    )
    .prefault("1")
    .describe(
      "Processes that serve calls, a core for each; `auto`, for production, is the number of cores. With 1 " +
        "the service is one process; with more, another one leads them. Limits are the service's, and the " +
        "workers share them: connections to the database, connections of callers, calls and streams.",
    ),
};
