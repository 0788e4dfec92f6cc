package node

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// rejectionsShown is how many rejections are listed at a time.
const rejectionsShown = 1000

// Rejected lists what the region has refused and nobody has dealt with.
func (n *Node) Rejected(ctx context.Context, q *admin.RejectedRequest) (*admin.RejectedReply, error) {
	limit := int(q.GetLimit())
	if limit == 0 {
		limit = rejectionsShown
	}
	if limit > keptOutcomes {
		return nil, admin.Errorf(admin.CodeBadInput, "a limit of %d: at most %d at a time", limit, keptOutcomes)
	}
	rejected, err := n.records.Rejected(ctx, limit)
	if err != nil {
		return nil, n.storeProblem(err)
	}
	stats, err := n.records.Stats(ctx)
	if err != nil {
		return nil, n.storeProblem(err)
	}
	reply := &admin.RejectedReply{Total: stats.Rejected}
	for _, r := range rejected {
		reply.Rejections = append(reply.Rejections, &admin.Rejection{
			Id: entryText(r.Entry.ID), Kind: r.Entry.Kind.String(), Document: string(r.Entry.Document), Reason: r.Reason,
			Queued: r.Entry.Queued.UnixMicro(), Effect: rejectedEffect(r), SetAside: r.Lost,
		})
	}
	return reply, nil
}

// rejectedEffect says what it means that the region does not have an entry.
func rejectedEffect(r record.Rejection) string {
	if r.Lost {
		return "the region has not been told of it"
	}
	switch r.Entry.Kind {
	case federation.KindPublish:
		return "other trusts do not find the document"
	case federation.KindWithdraw:
		return "the document is not released, and other trusts may still list it"
	case federation.KindDirective:
		return "an objection is in force at this trust only"
	case federation.KindCheckpoint:
		return "the region does not witness this part of the audit log"
	case federation.KindAgreement:
		return "the agreement before it stays in force"
	default:
		return "it has no effect"
	}
}

// entryText names an outbox entry: its number has more digits than a JSON number keeps.
func entryText(id record.EntryID) string { return strconv.FormatUint(uint64(id), 16) }

func parseEntry(text string) (record.EntryID, error) {
	id, err := strconv.ParseUint(text, 16, 64)
	if err != nil {
		return 0, admin.Errorf(admin.CodeBadInput, "%q is not the id of something refused: 'ridgeway rejected list' lists them", text)
	}
	return record.EntryID(id), nil
}

// Settle says again what the region has refused, or forgets it. What a patient has objected to stays in force here whatever
// becomes of the entry, and a document stays where it is.
func (n *Node) Settle(ctx context.Context, q *admin.SettleRequest) (*admin.SettleReply, error) {
	if q.GetAll() != (len(q.GetIds()) == 0) {
		return nil, admin.Errorf(admin.CodeBadInput, "say which: the ids that 'ridgeway rejected list' gives, or --all")
	}
	ids, err := n.settling(ctx, q)
	if err != nil {
		return nil, err
	}
	what := "dismissed what the region had refused: entry "
	if q.GetRetry() {
		what = "says again what the region had refused: entry "
	}
	by := asker(q.GetBy())
	if err := checkAsker(by); err != nil {
		return nil, err
	}
	reply := &admin.SettleReply{}
	for _, id := range ids {
		entry := audit.Entry{Time: time.Now().UTC(), Kind: audit.Admin, Trust: n.Trust(), Node: n.ID(), User: by.GetUser(), Role: by.GetRole(), Detail: what + entryText(id)}
		if err := n.note(ctx, entry); err != nil {
			return nil, partly(reply, ids, err)
		}
		if q.GetRetry() {
			err = n.speaker.again(ctx, id)
			signal(n.speaker.wake)
		} else {
			err = n.records.Dismiss(ctx, id)
		}
		if errors.Is(err, record.ErrLost) {
			return nil, partly(reply, ids, admin.Errorf(admin.CodeBadInput, "%s cannot be said again: what it said is lost at this node. Have it recorded again, then 'ridgeway rejected dismiss %s'", entryText(id), entryText(id)))
		}
		if err != nil && !isAbsent(err) {
			return nil, partly(reply, ids, n.storeProblem(err))
		}
		reply.Settled++
	}
	return reply, nil
}

// partly is an error that ends what was done for some.
func partly(done *admin.SettleReply, of []record.EntryID, err error) error {
	if done.GetSettled() == 0 {
		return err
	}
	return admin.Errorf(admin.CodeOf(err), "%v (it is done for the %d of %d before)", err, done.GetSettled(), len(of))
}

// settling returns the entries that are meant. One that is not there is refused before anything is done.
func (n *Node) settling(ctx context.Context, q *admin.SettleRequest) ([]record.EntryID, error) {
	rejected, err := n.records.Rejected(ctx, keptOutcomes)
	if err != nil {
		return nil, n.storeProblem(err)
	}
	known := make(map[record.EntryID]bool, len(rejected))
	var out []record.EntryID
	for _, r := range rejected {
		known[r.Entry.ID] = true
		if q.GetAll() {
			out = append(out, r.Entry.ID)
		}
	}
	for _, text := range q.GetIds() {
		id, err := parseEntry(text)
		if err != nil {
			return nil, err
		}
		if !known[id] {
			return nil, admin.Errorf(admin.CodeNotFound, "nothing refused has the id %s: 'ridgeway rejected list' lists them", text)
		}
		out = append(out, id)
	}
	return out, nil
}
