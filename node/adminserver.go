package node

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/ingest"
	"github.com/ridgeway-exchange/ridgeway/node/media"
	"github.com/ridgeway-exchange/ridgeway/storage"
	"github.com/ridgeway-exchange/ridgeway/storage/blob"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// adminServer is the node as the command line sees it.
type adminServer struct {
	admin.UnimplementedAdminServer
	n *Node
}

// Status tells how the node is.
func (s adminServer) Status(ctx context.Context, q *admin.StatusRequest) (*admin.StatusReply, error) {
	return s.n.Status(ctx, q)
}

// Invite makes an invitation.
func (s adminServer) Invite(ctx context.Context, q *admin.InviteRequest) (*admin.InviteReply, error) {
	return s.n.Invite(ctx, q)
}

// RevokeInvitation revokes invitations.
func (s adminServer) RevokeInvitation(ctx context.Context, q *admin.RevokeInvitationRequest) (*admin.RevokeInvitationReply, error) {
	return s.n.RevokeInvitation(ctx, q)
}

// Locate finds documents.
func (s adminServer) Locate(ctx context.Context, q *admin.LocateRequest) (*admin.LocateReply, error) {
	return s.n.Locate(ctx, q)
}

// Fetch streams a document.
func (s adminServer) Fetch(q *admin.FetchRequest, stream grpc.ServerStreamingServer[admin.FetchReply]) error {
	return s.n.Fetch(stream.Context(), q, stream.Send)
}

// Object records an objection.
func (s adminServer) Object(ctx context.Context, q *admin.ObjectRequest) (*admin.ObjectReply, error) {
	return s.n.Object(ctx, q)
}

// Withdraw withdraws a document.
func (s adminServer) Withdraw(ctx context.Context, q *admin.WithdrawRequest) (*admin.WithdrawReply, error) {
	return s.n.Withdraw(ctx, q)
}

// Suspend suspends a trust.
func (s adminServer) Suspend(ctx context.Context, q *admin.SuspendRequest) (*admin.ProposalReply, error) {
	return s.n.Suspend(ctx, q)
}

// Approve approves a proposal.
func (s adminServer) Approve(ctx context.Context, q *admin.ApproveRequest) (*admin.ProposalReply, error) {
	return s.n.Approve(ctx, q)
}

// VerifyAudit verifies the audit log.
func (s adminServer) VerifyAudit(ctx context.Context, q *admin.VerifyAuditRequest) (*admin.VerifyAuditReply, error) {
	return s.n.VerifyAudit(ctx, q)
}

// AcceptAudit lets releases go on.
func (s adminServer) AcceptAudit(ctx context.Context, q *admin.AcceptAuditRequest) (*admin.AcceptAuditReply, error) {
	return s.n.AcceptAudit(ctx, q)
}

// Rejected lists what the region has refused.
func (s adminServer) Rejected(ctx context.Context, q *admin.RejectedRequest) (*admin.RejectedReply, error) {
	return s.n.Rejected(ctx, q)
}

// Settle deals with what the region has refused.
func (s adminServer) Settle(ctx context.Context, q *admin.SettleRequest) (*admin.SettleReply, error) {
	return s.n.Settle(ctx, q)
}

// Scrub reads and checks everything.
func (s adminServer) Scrub(ctx context.Context, q *admin.ScrubRequest) (*admin.ScrubReply, error) {
	return s.n.Scrub(ctx, q)
}

// Take takes documents in, one after the other.
func (s adminServer) Take(stream grpc.BidiStreamingServer[admin.TakeRequest, admin.TakeReply]) error {
	for {
		step, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		doc := step.GetDocument()
		if doc == nil {
			return admin.Errorf(admin.CodeBadInput, "a document begins with its description")
		}
		reply, err := s.takeOne(stream, doc)
		if err != nil {
			return err
		}
		if err := stream.Send(reply); err != nil {
			return err
		}
	}
}

// takeOne receives the files of a document straight into the store, sealed: nothing lies on the disk in clear meanwhile.
func (s adminServer) takeOne(stream grpc.BidiStreamingServer[admin.TakeRequest, admin.TakeReply], doc *admin.Document) (*admin.TakeReply, error) {
	in := &intake{stream: stream}
	ctx := stream.Context()
	number, err := s.n.checkPatient(doc.GetPatient())
	if err != nil {
		return refusedReply(string(ingest.CodePatient), err), in.skip()
	}
	var parts []federation.Part
	var stored []blob.Content
	defer func() {
		for _, c := range stored {
			s.n.blobs.Unpin(c)
		}
	}()
	for {
		file, err := in.file()
		if err != nil {
			return nil, err
		}
		if file == nil {
			break
		}
		if err := s.n.space.Allow(storage.Ingest, file.GetSize()); err != nil {
			return nil, s.n.diskFull(err)
		}
		content, err := s.n.blobs.Put(ctx, in)
		if err != nil {
			return nil, s.n.storeProblem(err)
		}
		stored = append(stored, content)
		if content.Size != file.GetSize() {
			return refusedReply(string(ingest.CodeUnreadable), errors.New(file.GetName()+" changed while it was read")), in.skip()
		}
		parts = append(parts, partOf(ingest.Part{Name: file.GetName(), Info: infoOf(file)}, content))
	}
	item := ingest.Item{
		Type: doc.GetType(), Title: doc.GetTitle(), Date: time.UnixMicro(doc.GetDate()).UTC(), Category: doc.GetCategory(), Specialty: doc.GetSpecialty(),
		Author: doc.GetAuthor(), Confidentiality: doc.GetConfidentiality(), Language: doc.GetLanguage(), Supersedes: federation.DocumentID(doc.GetSupersedes()),
	}
	return s.n.add(ctx, number, item, parts)
}

// add keeps a document whose content is durable, and answers as Take does.
func (n *Node) add(ctx context.Context, number record.NHSNumber, item ingest.Item, parts []federation.Part) (*admin.TakeReply, error) {
	receipt, err := n.keep(ctx, number, item, parts)
	var refused *ingest.RefusalError
	switch {
	case errors.As(err, &refused):
		return refusedReply(string(refused.Code), refused), nil
	case err != nil:
		return nil, err
	}
	m := federation.Manifest{Parts: parts}
	reply := &admin.TakeReply{Document: string(receipt.Document), Outcome: string(ingest.TakenIn), Pages: uint32(m.PageCount()), Bytes: uint64(m.Bytes())}
	if receipt.AlreadyHeld {
		reply.Outcome = string(ingest.AlreadyHeld)
	}
	return reply, nil
}

func refusedReply(code string, err error) *admin.TakeReply {
	return &admin.TakeReply{Outcome: string(ingest.Refused), Problem: &admin.Problem{Code: code, Message: err.Error()}}
}

func infoOf(f *admin.File) media.Info {
	info := media.Info{ContentType: f.GetContentType(), Pages: int(f.GetPageCount())}
	for _, p := range f.GetPages() {
		span := media.PageSpan{Directory: p.GetDirectory()}
		for _, x := range p.GetExtents() {
			span.Extents = append(span.Extents, media.Extent{Offset: x.GetOffset(), Length: x.GetLength()})
		}
		info.Spans = append(info.Spans, span)
	}
	return info
}

// intake reads the files of one document off the stream. It is an io.Reader of the file that file has begun.
type intake struct {
	stream grpc.BidiStreamingServer[admin.TakeRequest, admin.TakeReply]
	rest   []byte
	next   *admin.TakeRequest // what ended the file
}

// file returns the next file, or nil at the document's end.
func (in *intake) file() (*admin.File, error) {
	step := in.next
	if in.next = nil; step == nil {
		var err error
		if step, err = in.stream.Recv(); err != nil {
			return nil, broken(err)
		}
	}
	switch {
	case step.GetFile() != nil:
		return step.GetFile(), nil
	case step.GetEnd():
		return nil, nil
	default:
		return nil, admin.Errorf(admin.CodeBadInput, "a file begins with its name")
	}
}

// Read reads the file's bytes.
func (in *intake) Read(b []byte) (int, error) {
	for len(in.rest) == 0 {
		if in.next != nil {
			return 0, io.EOF
		}
		step, err := in.stream.Recv()
		if err != nil {
			return 0, broken(err)
		}
		if data, ok := step.GetStep().(*admin.TakeRequest_Data); ok {
			in.rest = data.Data
		} else {
			in.next = step
		}
	}
	n := copy(b, in.rest)
	in.rest = in.rest[n:]
	return n, nil
}

// skip reads on to the document's end, so that the next one can follow.
func (in *intake) skip() error {
	step := in.next
	for {
		if step != nil && step.GetEnd() {
			return nil
		}
		var err error
		if step, err = in.stream.Recv(); err != nil {
			return broken(err)
		}
	}
}

func broken(err error) error {
	if errors.Is(err, io.EOF) {
		return admin.Errorf(admin.CodeBadInput, "the document breaks off")
	}
	return err
}
