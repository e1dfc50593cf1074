import { createRegistry, type Registry } from "@bufbuild/protobuf";
import { file_google_rpc_error_details } from "./gen/google/rpc/error_details_pb.ts";

/**
 * The types of error details: a row that an import refuses holds them as google.protobuf.Any, which cannot be
 * read from JSON without its type.
 */
export const errorDetails: Registry = createRegistry(file_google_rpc_error_details);
