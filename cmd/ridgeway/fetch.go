package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// fetchOptions is what fetch was asked for.
type fetchOptions struct {
	document, out, pages, bytes string
	part                        uint32
	export                      bool
	who                         asking
}

// fetched is the answer of fetch.
type fetched struct {
	Document    string  `json:"document"`
	Custodian   string  `json:"custodian"`
	Out         string  `json:"out"`
	ContentType string  `json:"content_type"`
	Part        uint32  `json:"part"`
	Parts       uint32  `json:"parts"`
	Bytes       int64   `json:"bytes"`
	SHA256      string  `json:"sha256"`
	FirstByteMS float64 `json:"first_byte_ms"`
	Resumed     bool    `json:"resumed"`
	ResumedAt   int64   `json:"resumed_at"`
	Retries     uint32  `json:"retries"`
}

func (a *app) fetchCommand() *cobra.Command {
	var o fetchOptions
	cmd := &cobra.Command{
		Use:   "fetch DOCUMENT",
		Short: "Read a document from the trust that holds it",
		Long: `Streams a document from its custodian, which decides on it and keeps evidence.
Every byte is verified before it is written. While it runs, what has come lies
beside --out in a .part file; run the same command again to go on after a cut.

--pages sends only these pages of a scan (TIFF), or cuts them out of a PDF.
--range sends only these bytes: first-last counted from 0, or first- for the
rest. A file that --out names is replaced.

An agreement may ask for a --relationship, and for evidence of it that somebody
has verified: the id of a document of that patient, of the last year, that your
own trust holds and you may know of, as in referral:RAS-4K7QZ2M9X1B3C5D7; or its
reference in the system that it came from, which the custodian may know too.
What is only stated is audited as stated.

A file is for reading. --export says that the copy will be kept in a system of
your own: the custodian's agreement must permit export, which it need not where
it lets you open, and never does in an emergency. It is audited as what it is.

JSON: document, custodian, out, content_type, part, parts, bytes, sha256 (of the
file written), first_byte_ms, resumed, resumed_at (bytes), retries.`,
		Example: `  ridgeway fetch --data d2 RYJ-4K7QZ2M9X1B3C5D7 --out letter.pdf
  ridgeway fetch --data d2 RYJ-4K7QZ2M9X1B3C5D7 --pages 1-3 --out first.tiff
  ridgeway fetch --data d2 RYJ-4K7QZ2M9X1B3C5D7 --out - | pdftotext - -`,
		Args: argument(1, "the id of one document"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.document = args[0]
			if o.out == "-" && a.json {
				return admin.Errorf(admin.CodeBadInput, "--json and --out - both want standard output: name a file with --out")
			}
			if o.pages != "" && o.bytes != "" {
				return admin.Errorf(admin.CodeBadInput, "--pages and --range exclude each other: give one")
			}
			return a.ask(cmd.Context(), func(c admin.AdminClient) error { return a.fetch(cmd.Context(), c, &o) })
		},
	}
	o.who.flags(cmd)
	cmd.Flags().StringVar(&o.out, "out", "", "file to write, or - for standard output (default: named after the document)")
	cmd.Flags().StringVar(&o.pages, "pages", "", "only these pages, such as 1-3,7 or 5- for the rest")
	cmd.Flags().StringVar(&o.bytes, "range", "", "only these bytes, such as 0-1023 or 4096-")
	cmd.Flags().BoolVar(&o.export, "export", false, "the copy is to be kept in another system")
	cmd.Flags().Uint32Var(&o.part, "part", 1, "which part of a document of several files")
	return cmd
}

func (a *app) fetch(ctx context.Context, c admin.AdminClient, o *fetchOptions) error {
	offset, length, err := parseRange(o.bytes)
	if err != nil {
		return err
	}
	dst, err := openTarget(o, a.out)
	if err != nil {
		return err
	}
	result, err := a.receive(ctx, c, o, dst, &admin.FetchRequest{
		Document: o.document, Asker: o.who.message(), Part: o.part, Pages: o.pages, Offset: offset, Length: length, Export: o.export,
	})
	if err != nil {
		return dst.unfinished(err)
	}
	if a.json {
		return a.emit(result)
	}
	if o.out == "-" {
		return nil
	}
	a.say("%s: %s from %s, verified; first byte after %.1f ms.", result.Out, size(result.Bytes), result.Custodian, result.FirstByteMS)
	if result.Resumed {
		a.say("It went on after the %s that an earlier run had brought.", size(result.ResumedAt))
	}
	if result.Parts > 1 {
		a.say("This is part %d of %d: --part for the others.", result.Part, result.Parts)
	}
	return nil
}

// receive runs one fetch into dst. When what an earlier run left behind no longer fits, it starts over once.
func (a *app) receive(ctx context.Context, c admin.AdminClient, o *fetchOptions, dst *target, req *admin.FetchRequest) (fetched, error) {
	kept := dst.resume(req)
	result, err := a.stream(ctx, c, o, dst, req)
	var changed *admin.Error
	if err != nil && kept > 0 && errors.As(err, &changed) && (changed.Code == admin.CodeIntegrity || changed.Code == admin.CodeBadInput) {
		a.note("What an earlier run left does not fit (%s); starting over.", changed.Message)
		if err := dst.restart(); err != nil {
			return fetched{}, err
		}
		offset, length, err := parseRange(o.bytes)
		if err != nil {
			return fetched{}, err
		}
		req.Offset, req.Length, req.Manifest = offset, length, nil
		return a.stream(ctx, c, o, dst, req)
	}
	return result, err
}

func (a *app) stream(ctx context.Context, c admin.AdminClient, o *fetchOptions, dst *target, req *admin.FetchRequest) (fetched, error) {
	var result fetched
	calls, err := c.Fetch(ctx, req)
	if err != nil {
		return result, admin.FromStatus(err)
	}
	var bar *meter
	defer func() { bar.stop() }()
	var head *admin.Head
	for {
		reply, err := calls.Recv()
		if errors.Is(err, io.EOF) {
			return result, admin.Errorf(admin.CodeUnavailable, "the node ended the transfer early: run the same command again to go on")
		}
		if err != nil {
			return result, admin.FromStatus(err)
		}
		switch step := reply.GetStep().(type) {
		case *admin.FetchReply_Head:
			head = step.Head
			if err := dst.begin(head, req); err != nil {
				return result, err
			}
			bar = a.meter("fetch", head.GetSending(), true)
		case *admin.FetchReply_Data:
			if err := dst.write(step.Data); err != nil {
				return result, err
			}
			bar.add(int64(len(step.Data)))
		case *admin.FetchReply_Done:
			bar.end()
			sum, n, err := dst.finish(head, wholePart(o))
			if err != nil {
				return result, err
			}
			return fetched{
				Document: head.GetDocument(), Custodian: head.GetCustodian(), Out: dst.path, ContentType: head.GetContentType(),
				Part: req.GetPart(), Parts: head.GetParts(), Bytes: n, SHA256: sum, FirstByteMS: step.Done.GetFirstByteMs(),
				Resumed: dst.had > 0 || step.Done.GetResumed() > 0, ResumedAt: dst.had, Retries: step.Done.GetResumed(),
			}, nil
		}
	}
}

func wholePart(o *fetchOptions) bool { return o.pages == "" && o.bytes == "" }

// parseRange reads "first-last" or "first-", counted from 0.
func parseRange(s string) (offset, length int64, err error) {
	if s == "" {
		return 0, 0, nil
	}
	bad := admin.Errorf(admin.CodeBadInput, "--range %q: give first-last counted from 0, such as 0-1023, or first- for the rest", s)
	from, to, ok := strings.Cut(s, "-")
	if offset, err = strconv.ParseInt(from, 10, 64); !ok || err != nil || offset < 0 {
		return 0, 0, bad
	}
	if to == "" {
		return offset, 0, nil
	}
	last, err := strconv.ParseInt(to, 10, 64)
	if err != nil || last < offset {
		return 0, 0, bad
	}
	return offset, last - offset + 1, nil
}

// extension is what a file of a content type is called when nobody named it.
func extension(contentType string) string {
	switch contentType {
	case "application/pdf":
		return ".pdf"
	case "image/tiff":
		return ".tiff"
	case "image/jpeg":
		return ".jpg"
	case "image/png":
		return ".png"
	case "application/dicom":
		return ".dcm"
	case "application/hl7-cda+xml", "text/xml":
		return ".xml"
	case "text/plain":
		return ".txt"
	default:
		return ".bin"
	}
}

// suffix is what tells a part, pages or a range from the whole in the name of a file that nobody named.
func (o *fetchOptions) suffix() string {
	out := ""
	if o.part > 1 {
		out += fmt.Sprintf("-part-%d", o.part)
	}
	if o.pages != "" {
		out += "-pages-" + strings.Map(func(r rune) rune {
			if r == ',' || r == '-' || r >= '0' && r <= '9' {
				return r
			}
			return -1
		}, o.pages)
	}
	if o.bytes != "" {
		out += "-bytes-" + o.bytes
	}
	return out
}

// describe names a selection, to tell whether a .part file belongs to the same one.
func (o *fetchOptions) describe() string {
	return fmt.Sprintf("%s part %d pages %q range %q", o.document, o.part, o.pages, o.bytes)
}
