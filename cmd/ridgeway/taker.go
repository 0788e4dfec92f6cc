package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"google.golang.org/grpc"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/ingest"
)

// takePiece is how many bytes of a file go into one message.
const takePiece = 256 << 10

// takeStream is a stream, with what ends it alone.
type takeStream struct {
	grpc.BidiStreamingClient[admin.TakeRequest, admin.TakeReply]
	end context.CancelFunc
}

// errUnread wraps why a file could not be read on: the node has been sent a part of it and waits for the rest.
var errUnread = errors.New("the file was not read to its end")

// streamTaker hands documents to the node over its socket. Each worker uses a stream of its own.
type streamTaker struct {
	sent func(n int64) // told of bytes sent, by the goroutine that calls Take; may be nil

	want  chan chan<- opened // who needs another stream
	end   context.CancelFunc
	ended chan struct{}

	mu   sync.Mutex
	free []takeStream
}

// opened is a stream, or why there is none.
type opened struct {
	stream takeStream
	err    error
}

func newStreamTaker(ctx context.Context, client admin.AdminClient) *streamTaker {
	ctx, end := context.WithCancel(ctx)
	t := &streamTaker{want: make(chan chan<- opened), end: end, ended: make(chan struct{})}
	go t.open(ctx, client)
	return t
}

// open opens streams for who wants them. They end with the run, not with the document that they were opened for.
func (t *streamTaker) open(ctx context.Context, client admin.AdminClient) {
	defer close(t.ended)
	for {
		select {
		case <-ctx.Done():
			return
		case to := <-t.want:
			to <- begin(ctx, client)
		}
	}
}

func begin(ctx context.Context, client admin.AdminClient) opened {
	ctx, end := context.WithCancel(ctx)
	stream, err := client.Take(ctx)
	if err != nil {
		end()
	}
	return opened{takeStream{stream, end}, err}
}

func (t *streamTaker) close() {
	t.end()
	<-t.ended
}

// Take sends one document and waits until it is durable.
func (t *streamTaker) Take(ctx context.Context, item ingest.Item) (ingest.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return ingest.Receipt{}, err
	}
	stream, err := t.take(ctx)
	if err != nil {
		return ingest.Receipt{}, admin.FromStatus(err)
	}
	if err := t.send(stream, item); err != nil {
		return ingest.Receipt{}, stream.abandon(err)
	}
	reply, err := stream.Recv()
	if err != nil {
		stream.end()
		return ingest.Receipt{}, admin.FromStatus(err)
	}
	t.give(stream)
	if p := reply.GetProblem(); p != nil {
		return ingest.Receipt{}, &ingest.RefusalError{Code: ingest.Code(p.GetCode()), Reason: p.GetMessage()}
	}
	return ingest.Receipt{Document: federation.DocumentID(reply.GetDocument()), AlreadyHeld: reply.GetOutcome() == string(ingest.AlreadyHeld), Note: reply.GetNote()}, nil
}

// abandon ends a stream on which a document could not be sent, and returns why.
func (s takeStream) abandon(err error) error {
	defer s.end()
	if errors.Is(err, errUnread) { // nobody else ends it: an answer would be waited for in vain
		return err
	}
	// The node ends a stream with the reason; a failed send itself only says that it has.
	if _, why := s.Recv(); why != nil {
		err = why
	}
	return admin.FromStatus(err)
}

func (t *streamTaker) take(ctx context.Context) (takeStream, error) {
	t.mu.Lock()
	if n := len(t.free); n > 0 {
		s := t.free[n-1]
		t.free = t.free[:n-1]
		t.mu.Unlock()
		return s, nil
	}
	t.mu.Unlock()
	got := make(chan opened, 1)
	select {
	case t.want <- got:
		o := <-got
		return o.stream, o.err
	case <-ctx.Done():
		return takeStream{}, ctx.Err()
	case <-t.ended:
		return takeStream{}, context.Canceled
	}
}

func (t *streamTaker) give(s takeStream) {
	t.mu.Lock()
	t.free = append(t.free, s)
	t.mu.Unlock()
}

func (t *streamTaker) send(stream takeStream, item ingest.Item) error {
	steps := []*admin.TakeRequest{{Step: &admin.TakeRequest_Document{Document: &admin.Document{
		Patient: item.Patient, Type: item.Type, Title: item.Title, Date: item.Date.UnixMicro(), Category: item.Category, Specialty: item.Specialty,
		Author: item.Author, Confidentiality: item.Confidentiality, Language: item.Language, Supersedes: string(item.Supersedes),
		Sensitivity: item.Sensitivity, Legal: item.Legal, Reference: item.Reference,
		FamilyName: item.Person.Family, GivenName: item.Person.Given, BirthDate: item.Person.Born, Sex: item.Person.Sex,
	}}}}
	for _, p := range item.Parts {
		steps = append(steps, &admin.TakeRequest{Step: &admin.TakeRequest_File{File: fileOf(p)}})
		for _, s := range steps {
			if err := stream.Send(s); err != nil {
				return err
			}
		}
		steps = nil
		if err := t.sendFile(stream, p); err != nil {
			return err
		}
	}
	return stream.Send(&admin.TakeRequest{Step: &admin.TakeRequest_End{End: true}})
}

func (t *streamTaker) sendFile(stream takeStream, p ingest.Part) error {
	r := io.NewSectionReader(p.Content, 0, p.Size)
	for {
		buf := make([]byte, min(takePiece, p.Size+1))
		n, err := io.ReadFull(r, buf)
		if n > 0 {
			if err := stream.Send(&admin.TakeRequest{Step: &admin.TakeRequest_Data{Data: buf[:n]}}); err != nil {
				return err
			}
			if t.sent != nil {
				t.sent(int64(n))
			}
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errUnread, err)
		}
	}
}

func fileOf(p ingest.Part) *admin.File {
	f := &admin.File{Name: p.Name, ContentType: p.Info.ContentType, Size: p.Size, PageCount: uint32(p.Info.Pages)}
	for _, s := range p.Info.Spans {
		page := &admin.Page{Directory: s.Directory}
		for _, x := range s.Extents {
			page.Extents = append(page.Extents, &admin.Extent{Offset: x.Offset, Length: x.Length})
		}
		f.Pages = append(f.Pages, page)
	}
	return f
}
