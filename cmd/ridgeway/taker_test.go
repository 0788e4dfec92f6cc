package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/ingest"
)

// takes is a node that takes documents in, and tells how each stream ended.
type takes struct {
	admin.UnimplementedAdminServer
	ended chan error
}

func (s takes) Take(stream grpc.BidiStreamingServer[admin.TakeRequest, admin.TakeReply]) error {
	for {
		step, err := stream.Recv()
		if err != nil {
			s.ended <- err
			return err
		}
		if step.GetEnd() {
			if err := stream.Send(&admin.TakeReply{Document: "RYJ-1", Outcome: string(ingest.TakenIn)}); err != nil {
				return err
			}
		}
	}
}

// spoilt is a file that can be read up to a place.
type spoilt struct {
	whole io.ReaderAt
	upTo  int64
	err   error
}

func (f spoilt) ReadAt(b []byte, off int64) (int, error) {
	if off >= f.upTo {
		return 0, f.err
	}
	return f.whole.ReadAt(b, off)
}

// TestFileThatCannotBeReadEndsItsStream has a file fail in the middle, as one on a lost share does, or all of them when the run has been
// stopped because the node's disk is full: the node waits for the rest, and whoever waits for its answer waits for ever.
func TestFileThatCannotBeReadEndsItsStream(t *testing.T) {
	dir := t.TempDir()
	l, err := admin.Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	node := takes{ended: make(chan error, 2)}
	server := admin.NewServer(node)
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() { server.Stop(); <-served })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	client, done, err := admin.Dial(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = done() }()
	taker := newStreamTaker(ctx, client)
	defer taker.close()

	content := bytes.NewReader(make([]byte, 8*takePiece))
	part := ingest.Part{Name: "a.bin", Size: content.Size()}
	lost := errors.New("the share is lost")
	part.Content = spoilt{whole: content, upTo: 3 * takePiece, err: lost}
	if _, err := taker.Take(ctx, ingest.Item{Parts: []ingest.Part{part}}); !errors.Is(err, lost) || ctx.Err() != nil {
		t.Fatalf("got %v, want %v, at once", err, lost)
	}
	select {
	case <-node.ended:
	case <-ctx.Done():
		t.Fatal("the node still waits for the rest of the file")
	}
	part.Content = content
	if r, err := taker.Take(ctx, ingest.Item{Parts: []ingest.Part{part}}); err != nil || r.Document != "RYJ-1" {
		t.Errorf("the next document: %+v, %v", r, err)
	}
}
