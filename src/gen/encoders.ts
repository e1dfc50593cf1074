// Written by `npm run generate` from the contract.
import * as wire from "../rpc/wire.ts";
import type { Fields } from "../rpc/wire.ts";

function googleProtobufTimestamp($message: Fields): void {
  const { $unknown, seconds, nanos } = $message;
  if ($unknown !== undefined) wire.rare();
  if (seconds != null && seconds !== 0n) wire.int64(8, seconds);
  if (nanos != null && nanos !== 0) wire.int32(16, nanos);
}

function commerceUserV1User($message: Fields): void {
  const { $unknown, id, email, name, createTime, updateTime, etag } = $message;
  if ($unknown !== undefined) wire.rare();
  if (id != null && id !== "") wire.text(10, id);
  if (email != null && email !== "") wire.text(18, email);
  if (name != null && name !== "") wire.text(26, name);
  if (createTime != null) { const start = wire.begin(34); googleProtobufTimestamp(wire.fields(createTime)); wire.end(start); }
  if (updateTime != null) { const start = wire.begin(42); googleProtobufTimestamp(wire.fields(updateTime)); wire.end(start); }
  if (etag != null && etag !== "") wire.text(50, etag);
}

function commerceUserV1CreateUserResponse($message: Fields): void {
  const { $unknown, user } = $message;
  if ($unknown !== undefined) wire.rare();
  if (user != null) { const start = wire.begin(10); commerceUserV1User(wire.fields(user)); wire.end(start); }
}

function commerceUserV1GetUserResponse($message: Fields): void {
  const { $unknown, user } = $message;
  if ($unknown !== undefined) wire.rare();
  if (user != null) { const start = wire.begin(10); commerceUserV1User(wire.fields(user)); wire.end(start); }
}

function commerceUserV1GetUserByEmailResponse($message: Fields): void {
  const { $unknown, user } = $message;
  if ($unknown !== undefined) wire.rare();
  if (user != null) { const start = wire.begin(10); commerceUserV1User(wire.fields(user)); wire.end(start); }
}

function commerceUserV1BatchGetUsersResponse($message: Fields): void {
  const { $unknown, users } = $message;
  if ($unknown !== undefined) wire.rare();
  if (users != null) for (const each of wire.elements(users)) { const start = wire.begin(10); commerceUserV1User(wire.fields(each)); wire.end(start); }
}

function commerceUserV1UpdateUserResponse($message: Fields): void {
  const { $unknown, user } = $message;
  if ($unknown !== undefined) wire.rare();
  if (user != null) { const start = wire.begin(10); commerceUserV1User(wire.fields(user)); wire.end(start); }
}

function commerceUserV1DeleteUserResponse($message: Fields): void {
  const { $unknown } = $message;
  if ($unknown !== undefined) wire.rare();
}

function commerceUserV1ListUsersResponse($message: Fields): void {
  const { $unknown, users, nextPageToken } = $message;
  if ($unknown !== undefined) wire.rare();
  if (users != null) for (const each of wire.elements(users)) { const start = wire.begin(10); commerceUserV1User(wire.fields(each)); wire.end(start); }
  if (nextPageToken != null && nextPageToken !== "") wire.text(18, nextPageToken);
}

function commerceUserV1AuthenticateUserResponse($message: Fields): void {
  const { $unknown, user } = $message;
  if ($unknown !== undefined) wire.rare();
  if (user != null) { const start = wire.begin(10); commerceUserV1User(wire.fields(user)); wire.end(start); }
}

function googleTypeMoney($message: Fields): void {
  const { $unknown, currencyCode, units, nanos } = $message;
  if ($unknown !== undefined) wire.rare();
  if (currencyCode != null && currencyCode !== "") wire.text(10, currencyCode);
  if (units != null && units !== 0n) wire.int64(16, units);
  if (nanos != null && nanos !== 0) wire.int32(24, nanos);
}

function commerceOrderV1OrderItem($message: Fields): void {
  const { $unknown, id, productId, quantity, unitPrice } = $message;
  if ($unknown !== undefined) wire.rare();
  if (id != null && id !== "") wire.text(10, id);
  if (productId != null && productId !== "") wire.text(18, productId);
  if (quantity != null && quantity !== 0) wire.int32(24, quantity);
  if (unitPrice != null) { const start = wire.begin(34); googleTypeMoney(wire.fields(unitPrice)); wire.end(start); }
}

function commerceOrderV1Order($message: Fields): void {
  const { $unknown, id, userId, status, total, items, itemCount, stockPolicy, createTime, updateTime, etag } = $message;
  if ($unknown !== undefined) wire.rare();
  if (id != null && id !== "") wire.text(10, id);
  if (userId != null && userId !== "") wire.text(18, userId);
  if (status != null && status !== 0) wire.int32(24, status);
  if (total != null) { const start = wire.begin(34); googleTypeMoney(wire.fields(total)); wire.end(start); }
  if (items != null) for (const each of wire.elements(items)) { const start = wire.begin(42); commerceOrderV1OrderItem(wire.fields(each)); wire.end(start); }
  if (itemCount != null && itemCount !== 0) wire.int32(48, itemCount);
  if (stockPolicy != null && stockPolicy !== 0) wire.int32(56, stockPolicy);
  if (createTime != null) { const start = wire.begin(66); googleProtobufTimestamp(wire.fields(createTime)); wire.end(start); }
  if (updateTime != null) { const start = wire.begin(74); googleProtobufTimestamp(wire.fields(updateTime)); wire.end(start); }
  if (etag != null && etag !== "") wire.text(82, etag);
}

function commerceOrderV1CreateOrderResponse($message: Fields): void {
  const { $unknown, order } = $message;
  if ($unknown !== undefined) wire.rare();
  if (order != null) { const start = wire.begin(10); commerceOrderV1Order(wire.fields(order)); wire.end(start); }
}

function commerceOrderV1GetOrderResponse($message: Fields): void {
  const { $unknown, order } = $message;
  if ($unknown !== undefined) wire.rare();
  if (order != null) { const start = wire.begin(10); commerceOrderV1Order(wire.fields(order)); wire.end(start); }
}

function commerceOrderV1ListOrdersResponse($message: Fields): void {
  const { $unknown, orders, nextPageToken } = $message;
  if ($unknown !== undefined) wire.rare();
  if (orders != null) for (const each of wire.elements(orders)) { const start = wire.begin(10); commerceOrderV1Order(wire.fields(each)); wire.end(start); }
  if (nextPageToken != null && nextPageToken !== "") wire.text(18, nextPageToken);
}

function commerceOrderV1UpdateOrderStatusResponse($message: Fields): void {
  const { $unknown, order } = $message;
  if ($unknown !== undefined) wire.rare();
  if (order != null) { const start = wire.begin(10); commerceOrderV1Order(wire.fields(order)); wire.end(start); }
}

function commerceOrderV1BatchUpdateOrderStatusesResponse($message: Fields): void {
  const { $unknown, orders } = $message;
  if ($unknown !== undefined) wire.rare();
  if (orders != null) for (const each of wire.elements(orders)) { const start = wire.begin(10); commerceOrderV1Order(wire.fields(each)); wire.end(start); }
}

function googleProtobufAny($message: Fields): void {
  const { $unknown, typeUrl, value } = $message;
  if ($unknown !== undefined) wire.rare();
  if (typeUrl != null && typeUrl !== "") wire.text(10, typeUrl);
  if (value != null && wire.isFilled(value)) wire.octets(18, value);
}

function googleRpcStatus($message: Fields): void {
  const { $unknown, code, message, details } = $message;
  if ($unknown !== undefined) wire.rare();
  if (code != null && code !== 0) wire.int32(8, code);
  if (message != null && message !== "") wire.text(18, message);
  if (details != null) for (const each of wire.elements(details)) { const start = wire.begin(26); googleProtobufAny(wire.fields(each)); wire.end(start); }
}

function commerceOrderV1RefusedRow($message: Fields): void {
  const { $unknown, index, status } = $message;
  if ($unknown !== undefined) wire.rare();
  if (index != null && index !== 0n) wire.int64(8, index);
  if (status != null) { const start = wire.begin(18); googleRpcStatus(wire.fields(status)); wire.end(start); }
}

function commerceOrderV1CommittedChunk($message: Fields): void {
  const { $unknown, firstIndex, lastIndex, insertedCount, existingCount, refused } = $message;
  if ($unknown !== undefined) wire.rare();
  if (firstIndex != null && firstIndex !== 0n) wire.int64(8, firstIndex);
  if (lastIndex != null && lastIndex !== 0n) wire.int64(16, lastIndex);
  if (insertedCount != null && insertedCount !== 0) wire.int32(24, insertedCount);
  if (existingCount != null && existingCount !== 0) wire.int32(32, existingCount);
  if (refused != null) for (const each of wire.elements(refused)) { const start = wire.begin(42); commerceOrderV1RefusedRow(wire.fields(each)); wire.end(start); }
}

function commerceOrderV1ImportOrdersResponse($message: Fields): void {
  const { $unknown, chunk } = $message;
  if ($unknown !== undefined) wire.rare();
  if (chunk != null) { const start = wire.begin(10); commerceOrderV1CommittedChunk(wire.fields(chunk)); wire.end(start); }
}

function commerceOrderV1ImportOrderItemsResponse($message: Fields): void {
  const { $unknown, chunk } = $message;
  if ($unknown !== undefined) wire.rare();
  if (chunk != null) { const start = wire.begin(10); commerceOrderV1CommittedChunk(wire.fields(chunk)); wire.end(start); }
}

function commerceOrderV1ImportSummary($message: Fields): void {
  const { $unknown, insertedCount, existingCount, refusedCount } = $message;
  if ($unknown !== undefined) wire.rare();
  if (insertedCount != null && insertedCount !== 0n) wire.int64(8, insertedCount);
  if (existingCount != null && existingCount !== 0n) wire.int64(16, existingCount);
  if (refusedCount != null && refusedCount !== 0n) wire.int64(24, refusedCount);
}

function commerceOrderV1IngestOrdersResponse($message: Fields): void {
  const { $unknown, answer } = $message;
  if ($unknown !== undefined) wire.rare();
  if (answer != null && wire.fields(answer)["case"] === "chunk") { const start = wire.begin(10); commerceOrderV1CommittedChunk(wire.fields(wire.fields(answer)["value"])); wire.end(start); }
  if (answer != null && wire.fields(answer)["case"] === "summary") { const start = wire.begin(18); commerceOrderV1ImportSummary(wire.fields(wire.fields(answer)["value"])); wire.end(start); }
}

function commerceOrderV1OrderEvent($message: Fields): void {
  const { $unknown, version, status, createTime } = $message;
  if ($unknown !== undefined) wire.rare();
  if (version != null && version !== 0n) wire.int64(8, version);
  if (status != null && status !== 0) wire.int32(16, status);
  if (createTime != null) { const start = wire.begin(26); googleProtobufTimestamp(wire.fields(createTime)); wire.end(start); }
}

function commerceOrderV1ListOrderEventsResponse($message: Fields): void {
  const { $unknown, events, nextPageToken } = $message;
  if ($unknown !== undefined) wire.rare();
  if (events != null) for (const each of wire.elements(events)) { const start = wire.begin(10); commerceOrderV1OrderEvent(wire.fields(each)); wire.end(start); }
  if (nextPageToken != null && nextPageToken !== "") wire.text(18, nextPageToken);
}

function commerceInventoryV1Product($message: Fields): void {
  const { $unknown, id, name, onHand, createTime, updateTime, etag } = $message;
  if ($unknown !== undefined) wire.rare();
  if (id != null && id !== "") wire.text(10, id);
  if (name != null && name !== "") wire.text(18, name);
  if (onHand != null && onHand !== 0n) wire.int64(24, onHand);
  if (createTime != null) { const start = wire.begin(34); googleProtobufTimestamp(wire.fields(createTime)); wire.end(start); }
  if (updateTime != null) { const start = wire.begin(42); googleProtobufTimestamp(wire.fields(updateTime)); wire.end(start); }
  if (etag != null && etag !== "") wire.text(50, etag);
}

function commerceInventoryV1CreateProductResponse($message: Fields): void {
  const { $unknown, product } = $message;
  if ($unknown !== undefined) wire.rare();
  if (product != null) { const start = wire.begin(10); commerceInventoryV1Product(wire.fields(product)); wire.end(start); }
}

function commerceInventoryV1GetProductResponse($message: Fields): void {
  const { $unknown, product } = $message;
  if ($unknown !== undefined) wire.rare();
  if (product != null) { const start = wire.begin(10); commerceInventoryV1Product(wire.fields(product)); wire.end(start); }
}

function commerceInventoryV1ListProductsResponse($message: Fields): void {
  const { $unknown, products, nextPageToken } = $message;
  if ($unknown !== undefined) wire.rare();
  if (products != null) for (const each of wire.elements(products)) { const start = wire.begin(10); commerceInventoryV1Product(wire.fields(each)); wire.end(start); }
  if (nextPageToken != null && nextPageToken !== "") wire.text(18, nextPageToken);
}

function commerceInventoryV1AdjustStockResponse($message: Fields): void {
  const { $unknown, product } = $message;
  if ($unknown !== undefined) wire.rare();
  if (product != null) { const start = wire.begin(10); commerceInventoryV1Product(wire.fields(product)); wire.end(start); }
}

/**
 * By message type, what writes a message as protobuf-es does, whether it was created or is what create()
 * takes; what is rare it leaves to protobuf-es.
 */
export const encoders: Readonly<Record<string, (message: Fields) => void>> = {
  "google.protobuf.Timestamp": googleProtobufTimestamp,
  "commerce.user.v1.User": commerceUserV1User,
  "commerce.user.v1.CreateUserResponse": commerceUserV1CreateUserResponse,
  "commerce.user.v1.GetUserResponse": commerceUserV1GetUserResponse,
  "commerce.user.v1.GetUserByEmailResponse": commerceUserV1GetUserByEmailResponse,
  "commerce.user.v1.BatchGetUsersResponse": commerceUserV1BatchGetUsersResponse,
  "commerce.user.v1.UpdateUserResponse": commerceUserV1UpdateUserResponse,
  "commerce.user.v1.DeleteUserResponse": commerceUserV1DeleteUserResponse,
  "commerce.user.v1.ListUsersResponse": commerceUserV1ListUsersResponse,
  "commerce.user.v1.AuthenticateUserResponse": commerceUserV1AuthenticateUserResponse,
  "google.type.Money": googleTypeMoney,
  "commerce.order.v1.OrderItem": commerceOrderV1OrderItem,
  "commerce.order.v1.Order": commerceOrderV1Order,
  "commerce.order.v1.CreateOrderResponse": commerceOrderV1CreateOrderResponse,
  "commerce.order.v1.GetOrderResponse": commerceOrderV1GetOrderResponse,
  "commerce.order.v1.ListOrdersResponse": commerceOrderV1ListOrdersResponse,
  "commerce.order.v1.UpdateOrderStatusResponse": commerceOrderV1UpdateOrderStatusResponse,
  "commerce.order.v1.BatchUpdateOrderStatusesResponse": commerceOrderV1BatchUpdateOrderStatusesResponse,
  "google.protobuf.Any": googleProtobufAny,
  "google.rpc.Status": googleRpcStatus,
  "commerce.order.v1.RefusedRow": commerceOrderV1RefusedRow,
  "commerce.order.v1.CommittedChunk": commerceOrderV1CommittedChunk,
  "commerce.order.v1.ImportOrdersResponse": commerceOrderV1ImportOrdersResponse,
  "commerce.order.v1.ImportOrderItemsResponse": commerceOrderV1ImportOrderItemsResponse,
  "commerce.order.v1.ImportSummary": commerceOrderV1ImportSummary,
  "commerce.order.v1.IngestOrdersResponse": commerceOrderV1IngestOrdersResponse,
  "commerce.order.v1.OrderEvent": commerceOrderV1OrderEvent,
  "commerce.order.v1.ListOrderEventsResponse": commerceOrderV1ListOrderEventsResponse,
  "commerce.inventory.v1.Product": commerceInventoryV1Product,
  "commerce.inventory.v1.CreateProductResponse": commerceInventoryV1CreateProductResponse,
  "commerce.inventory.v1.GetProductResponse": commerceInventoryV1GetProductResponse,
  "commerce.inventory.v1.ListProductsResponse": commerceInventoryV1ListProductsResponse,
  "commerce.inventory.v1.AdjustStockResponse": commerceInventoryV1AdjustStockResponse,
};
