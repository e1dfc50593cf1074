import { type DescMethod, getOption } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { ConnectError, type Interceptor } from "@connectrpc/connect";
import { ErrorReasonSchema, Origin, reason } from "../../src/gen/commerce/errors/v1/error_reason_pb.ts";
import { policy } from "../../src/gen/commerce/options/v1/options_pb.ts";
import type { CommittedChunk } from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import { type ErrorInfo, ErrorInfoSchema } from "../../src/gen/google/rpc/error_details_pb.ts";

/**
 * Fails calls that are refused, or of which a row is, for a reason of some methods that the policy of theirs
 * does not name.
 */
export const expectNamed: Interceptor = (next) => async (request) => {
  const check = (info: ErrorInfo | undefined) => expectReason(request.method, info?.reason);
  const checkError = (error: unknown): never => {
    check(ConnectError.from(error).findDetails(ErrorInfoSchema)[0]);
    throw error;
  };
  const response = await next(request).catch(checkError);
  return response.stream
    ? { ...response, message: checkAnswers(response.message, check, checkError) }
    : response;
};

async function* checkAnswers(
  answers: AsyncIterable<object>,
  check: (info: ErrorInfo | undefined) => void,
  checkError: (error: unknown) => never,
) {
  try {
    for await (const answer of answers) {
      const { refused = [] } = "chunk" in answer ? (answer.chunk as CommittedChunk) : {};
      for (const { status } of refused)
        for (const detail of status?.details ?? []) check(anyUnpack(detail, ErrorInfoSchema));
      yield answer as never;
    }
  } catch (error) {
    checkError(error);
  }
}

function expectReason(method: DescMethod, name = ""): void {
  const value = ErrorReasonSchema.values.find((each) => each.name === name);
  if (value === undefined || getOption(value, reason).origin !== Origin.METHOD) return;
  const named: readonly number[] = getOption(method, policy).reasons;
  if (!named.includes(value.number)) throw new Error(`the policy of ${method.name} does not name ${name}`);
}
