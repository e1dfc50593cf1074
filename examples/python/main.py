"""Buys from a running commerce-core, as another service would.

Its argument is the address of the gRPC port. It exits with 1 if anything comes out otherwise than told.
"""

import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from google.type.money_pb2 import Money
from grpc_status import rpc_status

sys.path.append(str(Path(__file__).parent / "gen"))
from commerce.errors.v1 import error_reason_pb2 as reasons
from commerce.inventory.v1 import inventory_service_pb2 as inventory
from commerce.inventory.v1.inventory_service_pb2_grpc import InventoryServiceStub
from commerce.order.v1 import order_service_pb2 as order
from commerce.order.v1.order_service_pb2_grpc import OrderServiceStub
from commerce.user.v1 import user_service_pb2 as user
from commerce.user.v1.user_service_pb2_grpc import UserServiceStub

# It repeats calls that were answered UNAVAILABLE: safely, since each mutation has a request_id.
SERVICE_CONFIG = (Path(__file__).parents[2] / "docs/service-config.json").read_text()


def main(address: str = "127.0.0.1:50051") -> None:
    # No TLS and no token: the service asks for them beyond loopback.
    with grpc.insecure_channel(address, [("grpc.service_config", SERVICE_CONFIG)]) as channel:
        products, orders = InventoryServiceStub(channel), OrderServiceStub(channel)
        user_id = create_user(UserServiceStub(channel))
        lamp = create_product(products, "Lamp", 5)
        cancel_order(orders, place_orders(orders, user_id, lamp))
        poster = create_product(products, "Poster", 3000)
        import_orders(orders, user_id, poster, 3000)
        left = products.GetProduct(inventory.GetProductRequest(id=poster)).product.on_hand
        expect(left == 0, f"each poster sold once, but {left} are left")
        read_pages(orders, user_id, 3002)


def create_user(users: UserServiceStub) -> str:
    """Sends one request twice, as after an answer that was lost."""
    key = str(uuid.uuid4())
    request = user.CreateUserRequest(
        email=f"{key}@example.com", name="Ada", password="correct horse", request_id=key
    )
    first, second = users.CreateUser(request).user, users.CreateUser(request).user
    expect(first.id == second.id, f"one user, but there are {first.id} and {second.id}")
    print(f"user     {first.id}, created once by two calls")
    return first.id


def create_product(products: InventoryServiceStub, name: str, on_hand: int) -> str:
    request = inventory.CreateProductRequest(name=name, on_hand=on_hand, request_id=str(uuid.uuid4()))
    product = products.CreateProduct(request).product
    print(f"product  {product.id}, {name}, {on_hand} in stock")
    return product.id


def place_orders(orders: OrderServiceStub, user_id: str, product_id: str) -> str:
    """Orders 2 of 5 pieces and returns that order; then 9, and what is left of them."""

    def place(quantity: int) -> order.Order:
        request = order.CreateOrderRequest(
            user_id=user_id, items=[item(product_id, quantity)], request_id=str(uuid.uuid4())
        )
        return orders.CreateOrder(request).order

    first = place(2)
    print(f"order    {first.id}, 2 pieces for {first.total.units} EUR")

    facts = refused(reasons.INSUFFICIENT_STOCK, lambda: place(9))
    asked, there = facts["requested"], facts["on_hand"]
    expect((asked, there) == ("9", "3"), f"3 of 9 pieces in stock, but {facts}")
    place(int(there))  # A call of its own: under its request_id the first one stays refused.
    print(f"stock    {asked} asked for, {there} there: ordered those")
    return first.id


def cancel_order(orders: OrderServiceStub, order_id: str) -> None:
    """Meets a change by somebody else, reads again, and decides anew."""

    def move(status: order.OrderStatus, etag: str = "") -> None:
        request = order.UpdateOrderStatusRequest(
            id=order_id, status=status, etag=etag, request_id=str(uuid.uuid4())
        )
        orders.UpdateOrderStatus(request)

    read = orders.GetOrder(order.GetOrderRequest(id=order_id)).order
    move(order.ORDER_STATUS_CONFIRMED)  # The change by somebody else.

    refused(reasons.ETAG_MISMATCH, lambda: move(order.ORDER_STATUS_CANCELLED, read.etag))
    now = orders.GetOrder(order.GetOrderRequest(id=order_id)).order
    expect(now.status == order.ORDER_STATUS_CONFIRMED, f"a confirmed order, but it is {now}")
    move(order.ORDER_STATUS_CANCELLED, now.etag)
    print(f"etag     {read.etag} was stale: read {now.etag}, cancelled that")


def import_orders(orders: OrderServiceStub, user_id: str, product_id: str, count: int) -> None:
    """Is cut after the first answer, and goes on behind the last row that was answered."""
    drafts = [order.OrderDraft(user_id=user_id, items=[item(product_id, 1)])] * count
    request_id = str(uuid.uuid4())
    done, attempt = 0, 0
    while done < count:
        attempt, existing = attempt + 1, 0
        request = order.ImportOrdersRequest(orders=drafts[done:], first_index=done, request_id=request_id)
        answers = orders.ImportOrders(request)
        try:
            for answer in answers:
                chunk = answer.chunk
                expect(not chunk.refused, f"no row refused, but {chunk.refused}")
                done, existing = chunk.last_index + 1, existing + chunk.existing_count
                if attempt == 1:
                    answers.cancel()  # As if the connection broke.
            expect(done == count, f"{count} rows, but {done} are answered")
        except grpc.RpcError as error:
            broken = error.code() in (grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE)
            expect(broken and attempt < 5, f"all rows, but {error}")
            time.sleep(attempt / 10)  # The service config repeats no imports.
        print(f"import   attempt {attempt}: {done} of {count} rows answered, {existing} were there")


def read_pages(orders: OrderServiceStub, user_id: str, count: int) -> None:
    """Reads all orders of a user, page by page."""
    ids, pages, token = set(), 0, ""
    while pages == 0 or token:
        page = orders.ListOrders(order.ListOrdersRequest(user_id=user_id, page_size=1000, page_token=token))
        ids.update(each.id for each in page.orders)
        pages, token = pages + 1, page.next_page_token
    expect(len(ids) == count, f"{count} orders, but there are {len(ids)}")
    print(f"pages    {pages}, with {len(ids)} orders")


def item(product_id: str, quantity: int) -> order.OrderItem:
    price = Money(currency_code="EUR", units=20)
    return order.OrderItem(product_id=product_id, quantity=quantity, unit_price=price)


def refused(reason: reasons.ErrorReason, call: Callable[[], object]) -> dict[str, str]:
    """Makes a call that is refused for a reason, and returns the facts that come with it."""
    try:
        call()
    except grpc.RpcError as error:
        details, info = getattr(rpc_status.from_call(error), "details", []), ErrorInfo()
        if any(detail.Unpack(info) for detail in details) and info.domain == "commerce-core":
            if info.reason == reasons.ErrorReason.Name(reason):
                return dict(info.metadata)
        raise
    raise AssertionError(f"expected {reasons.ErrorReason.Name(reason)}")


def expect(holds: bool, what: str) -> None:
    if not holds:
        raise AssertionError(f"expected {what}")


if __name__ == "__main__":
    main(*sys.argv[1:])
