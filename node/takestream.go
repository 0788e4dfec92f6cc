package node

import (
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/ingest"
	"github.com/ridgeway-exchange/ridgeway/node/media"
)

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

// takeOne takes the files of a document off the stream.
func (s adminServer) takeOne(stream grpc.BidiStreamingServer[admin.TakeRequest, admin.TakeReply], doc *admin.Document) (*admin.TakeReply, error) {
	in := &intake{stream: stream}
	receipt, parts, err := s.n.takeIn(stream.Context(), itemOf(doc), func() (ingest.Part, io.Reader, bool, error) {
		file, err := in.file()
		if err != nil || file == nil {
			return ingest.Part{}, nil, false, err
		}
		return ingest.Part{Name: file.GetName(), Info: infoOf(file), Size: file.GetSize()}, in, true, nil
	})
	var refused *ingest.RefusalError
	switch {
	case errors.As(err, &refused):
		return refusedReply(string(refused.Code), refused), in.skip()
	case err != nil:
		return nil, err
	}
	m := federation.Manifest{Parts: parts}
	reply := &admin.TakeReply{Document: string(receipt.Document), Outcome: string(ingest.TakenIn), Pages: uint32(m.PageCount()), Bytes: uint64(m.Bytes()), Note: receipt.Note}
	if receipt.AlreadyHeld {
		reply.Outcome = string(ingest.AlreadyHeld)
	}
	return reply, nil
}

func itemOf(doc *admin.Document) ingest.Item {
	return ingest.Item{
		Patient: doc.GetPatient(), Type: doc.GetType(), Title: doc.GetTitle(), Date: time.UnixMicro(doc.GetDate()).UTC(), Category: doc.GetCategory(), Specialty: doc.GetSpecialty(),
		Author: doc.GetAuthor(), Confidentiality: doc.GetConfidentiality(), Language: doc.GetLanguage(), Supersedes: federation.DocumentID(doc.GetSupersedes()),
		Sensitivity: doc.GetSensitivity(), Legal: doc.GetLegal(), Reference: doc.GetReference(),
		Person: ingest.Person{Family: doc.GetFamilyName(), Given: doc.GetGivenName(), Born: doc.GetBirthDate(), Sex: doc.GetSex()},
	}
}

func refusedReply(code string, err error) *admin.TakeReply {
	return &admin.TakeReply{Outcome: string(ingest.Refused), Problem: &admin.Problem{Code: code, Message: err.Error()}}
}

func infoOf(f *admin.File) media.Info {
	info := media.Info{ContentType: f.GetContentType(), Pages: int(f.GetPageCount())}
	for _, p := range f.GetPages() {
		span := federation.Page{Directory: p.GetDirectory()}
		for _, x := range p.GetExtents() {
			span.Extents = append(span.Extents, federation.Extent{Offset: x.GetOffset(), Length: x.GetLength()})
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
	ended  bool               // the document
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
		in.ended = true
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
	if in.ended {
		return nil
	}
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
