package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"duet/go-server/internal/serve"
	"duet/go-server/internal/shop"
)

// Streams at once on a connection, and the windows of a stream and of a connection.
const (
	streamsMax  = 256
	windowBytes = 1 << 20
)

// itemsMax is the most items of a request.
const itemsMax = 100

var (
	categories = [...]string{"books", "games", "garden", "kitchen", "tools"}
	tags       = [...]string{"new", "sale", "heavy", "fragile"}
)

// define accepts -h2c as servers do that speak more: this one speaks nothing else.
func define(flags *flag.FlagSet) {
	flags.Bool("h2c", false, "")
}

// server serves connections as serve wants it.
type server struct {
	*grpc.Server
}

func newServer(timeouts serve.Timeouts) serve.Server {
	s := grpc.NewServer(
		grpc.ConnectionTimeout(timeouts.Head),
		grpc.MaxConcurrentStreams(streamsMax),
		grpc.InitialWindowSize(windowBytes),
		grpc.InitialConnWindowSize(windowBytes),
	)
	shop.RegisterShopServer(s, shopServer{})
	return server{s}
}

// Serve ends with http.ErrServerClosed, as http.Server's does.
func (s server) Serve(listener net.Listener) error {
	if err := s.Server.Serve(listener); err != nil {
		return err
	}
	return http.ErrServerClosed
}

// Shutdown waits for the calls that have begun, until ctx is done.
func (s server) Shutdown(ctx context.Context) error {
	ended := make(chan struct{})
	go func() {
		s.GracefulStop()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close cuts off what Shutdown has not waited for.
func (s server) Close() error {
	s.Stop()
	return nil
}

// shopServer is the service.
type shopServer struct {
	shop.UnimplementedShopServer
}

// Hello greets by name.
func (shopServer) Hello(_ context.Context, request *shop.HelloRequest) (*shop.HelloReply, error) {
	name := request.GetName()
	if name == "" {
		return nil, status.Error(codes.InvalidArgument, "the name is empty")
	}
	return &shop.HelloReply{Message: fmt.Sprintf("Hello, %s!", name)}, nil
}

// Items sends the items 1 to n, a message each.
func (shopServer) Items(
	request *shop.ItemsRequest, stream grpc.ServerStreamingServer[shop.Item],
) error {
	n := request.GetN()
	if n < 1 || n > itemsMax {
		return status.Error(codes.InvalidArgument, "n is not from 1 to 100")
	}
	for id := uint32(1); id <= n; id++ {
		if err := stream.Send(item(id)); err != nil {
			return err
		}
	}
	return nil
}

func item(id uint32) *shop.Item {
	return &shop.Item{
		Id:       id,
		Name:     fmt.Sprintf("Item %d", id),
		Category: categories[(id-1)%uint32(len(categories))],
		Price:    1 + id*37%99,
		Quantity: 1 + id*31%10,
		Active:   id%3 != 0,
		Tags: []string{
			tags[id%uint32(len(tags))],
			tags[id/4%uint32(len(tags))],
		},
	}
}
