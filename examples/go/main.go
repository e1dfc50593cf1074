// Command example buys from a running commerce-core, as another service would. Its argument is the address of
// the gRPC port. It exits with 1 if anything comes out otherwise than told.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/genproto/googleapis/type/money"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/health" // The service config asks for it.
	"google.golang.org/grpc/status"

	reasons "example/gen/commerce/errors/v1"
	inventory "example/gen/commerce/inventory/v1"
	order "example/gen/commerce/order/v1"
	user "example/gen/commerce/user/v1"
)

func main() {
	address := append(os.Args[1:], "127.0.0.1:50051")[0]
	// It repeats calls that were answered UNAVAILABLE: safely, since each mutation has a request_id.
	serviceConfig := must(os.ReadFile("../../docs/service-config.json"))
	// No TLS and no token: the service asks for them beyond loopback.
	connection := must(grpc.NewClient(address, grpc.WithDefaultServiceConfig(string(serviceConfig)),
		grpc.WithTransportCredentials(insecure.NewCredentials())))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	userID := createUser(ctx, user.NewUserServiceClient(connection))
	products, orders := inventory.NewInventoryServiceClient(connection), order.NewOrderServiceClient(connection)
	lamp := createProduct(ctx, products, "Lamp", 5)
	orderID := placeOrders(ctx, orders, userID, lamp)
	cancelOrder(ctx, orders, orderID)
	poster := createProduct(ctx, products, "Poster", 3000)
	importOrders(ctx, orders, userID, poster, 3000)
	left := must(products.GetProduct(ctx, &inventory.GetProductRequest{Id: poster})).Product.OnHand
	expect(left == 0, "each poster sold once, but %d are left", left)
	readPages(ctx, orders, userID, 3002)
}

// createUser sends one request twice, as after an answer that was lost.
func createUser(ctx context.Context, users user.UserServiceClient) string {
	key := uuid.NewString()
	request := &user.CreateUserRequest{
		Email: key + "@example.com", Name: "Ada", Password: "correct horse", RequestId: key}
	id := must(users.CreateUser(ctx, request)).User.Id
	again := must(users.CreateUser(ctx, request)).User.Id
	expect(id == again, "one user, but there are %s and %s", id, again)
	fmt.Printf("user     %s, created once by two calls\n", id)
	return id
}

func createProduct(
	ctx context.Context, products inventory.InventoryServiceClient, name string, onHand int64,
) string {
	request := &inventory.CreateProductRequest{Name: name, OnHand: onHand, RequestId: uuid.NewString()}
	id := must(products.CreateProduct(ctx, request)).Product.Id
	fmt.Printf("product  %s, %s, %d in stock\n", id, name, onHand)
	return id
}

// placeOrders orders 2 of 5 pieces and returns that order; then 9, and what is left of them.
func placeOrders(ctx context.Context, orders order.OrderServiceClient, userID, productID string) string {
	place := func(quantity int32) (*order.CreateOrderResponse, error) {
		return orders.CreateOrder(ctx, &order.CreateOrderRequest{
			UserId: userID, Items: items(productID, quantity), RequestId: uuid.NewString()})
	}
	first := must(place(2)).Order
	fmt.Printf("order    %s, 2 pieces for %d EUR\n", first.Id, first.Total.Units)

	_, err := place(9)
	facts := factsOf(err, reasons.ErrorReason_INSUFFICIENT_STOCK)
	expect(facts["on_hand"] == "3" && facts["requested"] == "9", "3 of 9 pieces in stock, but %v", facts)
	must(place(3)) // A call of its own: under its request_id the first one stays refused.
	fmt.Printf("stock    %s asked for, %s there: ordered those\n", facts["requested"], facts["on_hand"])
	return first.Id
}

// cancelOrder meets a change by somebody else, reads again, and decides anew.
func cancelOrder(ctx context.Context, orders order.OrderServiceClient, id string) {
	move := func(to order.OrderStatus, etag string) (*order.UpdateOrderStatusResponse, error) {
		return orders.UpdateOrderStatus(ctx, &order.UpdateOrderStatusRequest{
			Id: id, Status: to, Etag: etag, RequestId: uuid.NewString()})
	}
	read := must(orders.GetOrder(ctx, &order.GetOrderRequest{Id: id})).Order
	must(move(order.OrderStatus_ORDER_STATUS_CONFIRMED, "")) // The change by somebody else.

	_, err := move(order.OrderStatus_ORDER_STATUS_CANCELLED, read.Etag)
	factsOf(err, reasons.ErrorReason_ETAG_MISMATCH)
	now := must(orders.GetOrder(ctx, &order.GetOrderRequest{Id: id})).Order
	expect(now.Status == order.OrderStatus_ORDER_STATUS_CONFIRMED, "a confirmed order, but it is %s", now.Status)
	must(move(order.OrderStatus_ORDER_STATUS_CANCELLED, now.Etag))
	fmt.Printf("etag     %s was stale: read %s, cancelled that\n", read.Etag, now.Etag)
}

// importOrders is cut after the first answer, and goes on behind the last row that was answered.
func importOrders(ctx context.Context, orders order.OrderServiceClient, userID, product string, count int64) {
	drafts := make([]*order.OrderDraft, count)
	for i := range drafts {
		drafts[i] = &order.OrderDraft{UserId: userID, Items: items(product, 1)}
	}
	requestID := uuid.NewString()
	for next, attempt := int64(0), 1; next < count; attempt++ {
		existing := int32(0)
		attemptCtx, cut := context.WithCancel(ctx)
		stream, err := orders.ImportOrders(attemptCtx, &order.ImportOrdersRequest{
			Orders: drafts[next:], FirstIndex: next, RequestId: requestID})
		for err == nil {
			var answer *order.ImportOrdersResponse
			if answer, err = stream.Recv(); err == nil {
				expect(len(answer.Chunk.Refused) == 0, "no row refused, but %v", answer.Chunk.Refused)
				next, existing = answer.Chunk.LastIndex+1, existing+answer.Chunk.ExistingCount
				if attempt == 1 {
					cut() // As if the connection broke.
				}
			}
		}
		cut()
		broken := status.Code(err) == codes.Canceled || status.Code(err) == codes.Unavailable
		expect(err == io.EOF && next == count || broken && attempt < 5, "all rows, but %v", err)
		time.Sleep(time.Duration(attempt) * 100 * time.Millisecond) // The service config repeats no imports.
		fmt.Printf("import   attempt %d: %d of %d rows answered, %d were there\n", attempt, next, count, existing)
	}
}

// readPages reads all orders of a user, page by page.
func readPages(ctx context.Context, orders order.OrderServiceClient, userID string, count int) {
	ids, pages, request := map[string]bool{}, 0, &order.ListOrdersRequest{UserId: userID, PageSize: 1000}
	for ; pages == 0 || request.PageToken != ""; pages++ {
		page := must(orders.ListOrders(ctx, request))
		for _, each := range page.Orders {
			ids[each.Id] = true
		}
		request.PageToken = page.NextPageToken
	}
	expect(len(ids) == count, "%d orders, but there are %d", count, len(ids))
	fmt.Printf("pages    %d, with %d orders\n", pages, len(ids))
}

func items(productID string, quantity int32) []*order.OrderItem {
	price := &money.Money{CurrencyCode: "EUR", Units: 20}
	return []*order.OrderItem{{ProductId: productID, Quantity: quantity, UnitPrice: price}}
}

// factsOf returns the facts of an error that has a reason of the service.
func factsOf(err error, reason reasons.ErrorReason) map[string]string {
	for _, detail := range status.Convert(err).Details() {
		info, ok := detail.(*errdetails.ErrorInfo)
		if ok && info.Domain == "commerce-core" && info.Reason == reason.String() {
			return info.Metadata
		}
	}
	expect(false, "%s, but %v", reason, err)
	return nil
}

func must[T any](answer T, err error) T {
	expect(err == nil, "an answer, but %v", err)
	return answer
}

func expect(holds bool, format string, facts ...any) {
	if !holds {
		fmt.Fprintf(os.Stderr, "expected "+format+"\n", facts...)
		os.Exit(1)
	}
}
