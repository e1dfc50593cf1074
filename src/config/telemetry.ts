import { z } from "zod";
import { attributes, choice, fraction, integer, url } from "./parsers.ts";

/** The variables for what the service says, logs and traces; those of OpenTelemetry mean what they do. */
export const telemetry = {
  LOG_LEVEL: choice("fatal", "error", "warn", "info", "debug", "trace", "silent")
    .prefault("info")
    .describe(
      "The minimum severity of log lines: `fatal`, `error`, `warn`, `info`, `debug`, `trace` or `silent`. " +
        "SIGUSR2 switches to `debug`, and back.",
    ),
  WELCOME: choice("auto", "true", "false")
    .prefault("auto")
    .describe(
      "Whether standard output says to people where the service listens and what it does; else the log " +
        "does. `auto`: if it is a terminal, or npm has started the service.",
    ),
  ACCESS_LOG: choice("false", "true")
    .prefault("false")
    .describe(
      "Whether each call leaves a line in the log, at the level `info`; else those that a fault has ended.",
    ),
  OTEL_SERVICE_NAME: z
    .string()
    .optional()
    .meta({ fallback: "commerce-core", description: "The name of the service in logs and traces." }),
  OTEL_RESOURCE_ATTRIBUTES: attributes()
    .optional()
    .describe(
      "Attributes of all spans: `deployment.environment.name=production,service.namespace=shop`. " +
        "`service.instance.id`, which logs have, too, is the host's name and the process by default.",
    ),
  OTEL_EXPORTER_OTLP_ENDPOINT: url()
    .optional()
    .meta({
      secret: true,
      description:
        "The collector that traces are sent to, as OTLP (JSON) over HTTP below `/v1/traces`; by default " +
        "none are made. `OTEL_EXPORTER_OTLP_HEADERS` and `OTEL_EXPORTER_OTLP_COMPRESSION` are honoured.",
    }),
  OTEL_EXPORTER_OTLP_TIMEOUT: integer(1, 600_000)
    .prefault("2000")
    .describe("Milliseconds for sending traces once; no more than 2000 are waited."),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: url()
    .optional()
    .meta({ secret: true, description: "The same as a whole URL, instead of it." }),
  OTEL_TRACES_SAMPLER: choice(
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
    "always_on",
    "always_off",
    "traceidratio",
  )
    .prefault("parentbased_always_on")
    .describe("Which calls are traced: by default all whose callers do not say that theirs is not."),
  OTEL_TRACES_SAMPLER_ARG: fraction().optional().meta({
    fallback: "1",
    description: "The share of calls that the `traceidratio` samplers trace, up to 1.",
  }),
  OTEL_SDK_DISABLED: choice("false", "true")
    .prefault("false")
    .describe("Whether no traces are made, whatever the other variables say."),
};
