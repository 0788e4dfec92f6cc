package node

import (
	"context"
	"fmt"
	"strings"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/web"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

const (
	mostChanges  = 200 // of one document that are told
	changesPage  = 50
	mostSearches = 8 // of one patient's entries, for one history
)

// Changes tells what became of a document since it was taken in, newest first, out of the audit log.
func (n *Node) Changes(ctx context.Context, document string, by *admin.Asker) (*web.History, error) {
	if err := n.isFiler(ctx, by, "looks after documents"); err != nil {
		return nil, err
	}
	id, err := federation.ParseDocumentID(document)
	if err != nil {
		return nil, admin.Errorf(admin.CodeNotFound, "there is no such document")
	}
	doc, err := n.records.Document(ctx, id)
	if isGone(err) {
		return nil, admin.Errorf(admin.CodeNotFound, "this trust holds no document %s", id)
	} else if err != nil {
		return nil, n.storeProblem(err)
	}
	return history(ctx, n.audit.Search, &doc)
}

// history reads the entries of a document's patient, which the log finds without reading what others did. An entry of many
// documents that came together names no patient: that this one was taken in is then known from the record.
func history(ctx context.Context, search func(context.Context, audit.Filter, audit.Ref, int) (audit.Page, error), doc *record.Document) (*web.History, error) {
	f := audit.Filter{Subject: doc.Subject, Document: doc.ID, Newest: true, Kinds: []audit.Kind{audit.Ingest, audit.Admin, audit.Withdrawal}}
	out, taken := &web.History{}, false
	for from, searches := audit.Ref(0), 0; ; searches++ {
		if len(out.Changes) >= mostChanges || searches == mostSearches {
			out.Cut = true
			break
		}
		page, err := search(ctx, f, from, changesPage)
		if err != nil {
			return nil, fmt.Errorf("read the audit log: %w", err)
		}
		out.Damaged += len(page.Damaged)
		for i := range page.Records {
			r := &page.Records[i]
			taken = taken || r.Kind == audit.Ingest && strings.HasPrefix(r.Detail, "took ")
			out.Changes = append(out.Changes, web.Change{At: r.Time, User: r.User, Role: r.Role, Text: changeText(&r.Entry)})
		}
		if from = page.Next; from == 0 {
			break
		}
	}
	if !taken {
		out.Changes = append(out.Changes, web.Change{At: doc.Indexed, Text: "taken in"})
	}
	return out, nil
}

func changeText(e *audit.Entry) string {
	switch {
	case e.Kind == audit.Withdrawal:
		return "withdrawn: " + e.Detail
	case e.Kind == audit.Ingest && e.User == "" && strings.HasPrefix(e.Detail, "took in "):
		return "taken in"
	case e.Kind == audit.Ingest && e.User == "":
		return "offered again, was held already"
	}
	return e.Detail
}
