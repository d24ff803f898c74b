package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"duet/go-server/internal/servetest"
	"duet/go-server/internal/shop"
)

func TestMain(m *testing.M) {
	servetest.Main(m, main)
}

func TestProcess(t *testing.T) {
	servetest.CheckProcess(t, "go-grpc", framework)
}

// client connects to a program that it starts.
func client(t *testing.T, args ...string) (*servetest.Process, shop.ShopClient, context.Context) {
	t.Helper()
	p := servetest.Start(t, args...)
	conn, err := grpc.NewClient(p.Addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return p, shop.NewShopClient(conn), ctx
}

func TestCalls(t *testing.T) {
	p, c, ctx := client(t, "-h2c")
	reply, err := c.Hello(ctx, &shop.HelloRequest{Name: "you"})
	if err != nil || reply.GetMessage() != "Hello, you!" {
		t.Errorf("got %v, %v", reply, err)
	}
	if _, err := c.Hello(ctx, &shop.HelloRequest{}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("an empty name: %v", err)
	}
	for _, n := range []uint32{0, itemsMax + 1} {
		if _, err := receive(ctx, c, n); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%d items: %v", n, err)
		}
	}
	items, err := receive(ctx, c, itemsMax)
	if err != nil || len(items) != itemsMax {
		t.Fatalf("got %d, %v", len(items), err)
	}
	for i, item := range items {
		if item.GetId() != uint32(i+1) {
			t.Errorf("item %d has the id %d", i, item.GetId())
		}
		// Cases hold messages as text.
		encoded, err := proto.Marshal(item)
		if err != nil || bytes.ContainsFunc(encoded, func(r rune) bool { return r > 127 }) {
			t.Errorf("item %d: %q, %v", i, encoded, err)
		}
	}
	p.Signal(syscall.SIGTERM)
	if code, stdout, stderr := p.Wait(); code != 0 || stdout != "" || stderr != "" {
		t.Errorf("got %d, %q, %q; want 0 and no output", code, stdout, stderr)
	}
}

// receive asks for n items and returns them, or why they ended.
func receive(ctx context.Context, c shop.ShopClient, n uint32) ([]*shop.Item, error) {
	stream, err := c.Items(ctx, &shop.ItemsRequest{N: n})
	if err != nil {
		return nil, err
	}
	var items []*shop.Item
	for {
		item, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return items, nil
		}
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
}
