package node

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/gossip"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
)

const (
	defaultRole    = "clinician"
	defaultPurpose = "TREAT"
	locateLimit    = 100
)

// asker is who asks and why, with the defaults of a single operator filled in.
func asker(a *admin.Asker) *admin.Asker {
	out := &admin.Asker{User: a.GetUser(), Role: a.GetRole(), Purpose: a.GetPurpose(), Relationship: a.GetRelationship()}
	if out.User == "" {
		out.User = "operator"
	}
	if out.Role == "" {
		out.Role = defaultRole
	}
	if out.Purpose == "" {
		out.Purpose = defaultPurpose
	}
	return out
}

// Locate finds a patient's documents in this node's copy of the index, leaves out what the user may not know of before
// anything is counted, and says how old the copy is and which trusts cannot be reached.
func (n *Node) Locate(ctx context.Context, q *admin.LocateRequest) (*admin.LocateReply, error) {
	number, err := n.patient(q.GetPatient())
	if err != nil {
		return nil, err
	}
	who := asker(q.GetAsker())
	if err := n.admit(ctx, who); err != nil {
		return nil, err
	}
	limit := int(q.GetLimit())
	if limit == 0 {
		limit = locateLimit
	}
	if limit > index.MaxPage {
		return nil, admin.Errorf(admin.CodeBadInput, "a limit of %d: at most %d at a time, and 'next' for more", limit, index.MaxPage)
	}
	subject := n.records.Subject(number)
	n.misuse.look(ctx, person{n.Trust(), who.GetUser()}, subject, who.GetRelationship())
	outcome, unable := policy.Permit, n.mayAnswer()
	if unable != nil {
		outcome = policy.StalePolicy
	}
	// The entry of the search is written while the answer is made, and is on the disk before the answer is given. One whose
	// answer failed stands in the log as well: somebody has asked.
	entry, err := n.beginNote(ctx, audit.Entry{
		Time: time.Now().UTC(), Kind: audit.Search, Trust: n.Trust(), Node: n.ID(), User: who.GetUser(), Role: who.GetRole(), Purpose: who.GetPurpose(),
		Relationship: who.GetRelationship(), Subject: subject, Outcome: outcome.String(),
	})
	if err != nil {
		return nil, undone(err, "no search was made")
	}
	if unable != nil {
		if err := n.noted(entry); err != nil {
			return nil, undone(err, "no search was made")
		}
		return nil, unable
	}
	reply, err := n.listing(ctx, search{who: who, subject: subject, cursor: q.GetCursor(), limit: limit})
	if failed := n.noted(entry); failed != nil {
		return nil, undone(failed, "no search was made")
	}
	return reply, err
}

// listing is what a search answers.
func (n *Node) listing(ctx context.Context, q search) (*admin.LocateReply, error) {
	if err := n.mayAnswer(); err != nil {
		return nil, err
	}
	recent, err := n.recentSites(ctx)
	if err != nil {
		return nil, err
	}
	reply := &admin.LocateReply{Sites: recent.sites, AsOf: recent.asOf}
	if recent.clock != "" {
		reply.Warnings = append(reply.Warnings, recent.clock)
	}
	room := n.borrowRoom()
	seen, err := n.page(ctx, q, room)
	if err == nil {
		reply.Documents, reply.Next = locatedAll(seen.pointers), seen.next
	}
	n.returnRoom(room)
	if err != nil {
		return nil, err
	}
	own, err := n.ownSuspension(ctx)
	if err != nil {
		return nil, err
	}
	if own != nil {
		reply.Warnings = append(reply.Warnings, suspendedHere(own))
	}
	n.warnUnread(reply)
	return reply, nil
}

// locatedAll returns the rows of a reply, which lie in one piece of memory.
func locatedAll(pointers []federation.Pointer) []*admin.Located {
	rows, out := make([]admin.Located, len(pointers)), make([]*admin.Located, len(pointers))
	for i := range pointers {
		out[i] = &rows[i]
		fillLocated(out[i], &pointers[i])
	}
	return out
}

func (n *Node) nameSuspensions(ctx context.Context, sites []*admin.Site) (err error) {
	for _, s := range sites {
		if s.GetStanding() == federation.Suspended.String() && err == nil {
			s.Suspension, err = n.suspension(ctx, federation.TrustID(s.GetTrust()))
		}
	}
	return err
}

// warnUnread says that lists are not complete. Without its description nobody can tell whose a document is to know of, so it is
// said of the node, in every list from then on, and not of the patient in whose list it was found.
func (n *Node) warnUnread(reply *admin.LocateReply) {
	if n.unreadable.Load() {
		reply.Warnings = append(reply.Warnings, fmt.Sprintf("lists may not be complete: some of what %s holds and the region has not heard of cannot be read. 'ridgeway scrub --data %s' names what is damaged", n.Trust(), admin.Arg(n.options.Data)))
	}
}

func checkAsker(who *admin.Asker) error {
	if len(who.GetUser()) > 128 || len(who.GetRelationship()) > 128 {
		return admin.Errorf(admin.CodeBadInput, "user and relationship have at most 128 bytes")
	}
	if federation.LineFault(who.GetUser()+who.GetRelationship(), admin.MaxLine) != "" {
		return admin.Errorf(admin.CodeBadInput, "%q is not a staff id, or %q no relationship: each is one line of text", who.GetUser(), who.GetRelationship())
	}
	if _, err := policy.ParseRelationship(who.GetRelationship()); err != nil {
		return admin.Errorf(admin.CodeBadInput, "--relationship: %v. Give one of %s, with its evidence after a colon where there is some, such as referral:UBRN-000049831234", err, relationshipKinds())
	}
	if !policy.IsRole(who.GetRole()) {
		return admin.Errorf(admin.CodeBadInput, "there is no role %q: it is one of %s", who.GetRole(), roleCodes())
	}
	if !policy.IsPurpose(who.GetPurpose()) {
		return admin.Errorf(admin.CodeBadInput, "there is no purpose %q: it is a code of HL7 v3-ActReason, such as TREAT", who.GetPurpose())
	}
	return nil
}

func relationshipKinds() string {
	kinds := policy.Relationships()
	out := make([]string, len(kinds))
	for i, k := range kinds {
		out[i] = string(k)
	}
	return strings.Join(out, ", ")
}

func roleCodes() string {
	out := ""
	for _, r := range policy.Roles() {
		if out != "" {
			out += ", "
		}
		out += r.Code
	}
	return out
}

func located(p federation.Pointer) *admin.Located {
	out := &admin.Located{}
	fillLocated(out, &p)
	return out
}

func fillLocated(out *admin.Located, p *federation.Pointer) {
	out.Document, out.Custodian = string(p.Document), string(p.Custodian())
	out.Type, out.Category, out.Specialty, out.Title, out.Author = p.Type, p.Category, p.Specialty, p.Title, p.Author
	out.Pages, out.Bytes, out.ContentType = uint32(p.Pages), uint64(p.Bytes), p.ContentType
	out.Confidentiality, out.Sealed, out.Supersedes = p.Confidentiality.String(), p.Sealed(), string(p.Supersedes)
	if !p.Sealed() {
		out.Date, out.Status = p.Date.UnixMicro(), p.Status.String()
	}
}

// asOf is the moment that this node's copy of the agreed state is known to hold everything of, in microseconds; 0 when it
// never was.
func (n *Node) asOf() int64 {
	age := n.lease.Age(n.lease.Current())
	if age < 0 || age > 365*24*time.Hour {
		return 0
	}
	return time.Now().Add(-age).UnixMicro()
}

// siteLife is how long the list of sites is good for that searches are answered with. Gossip takes a hundred times as long to find
// out that a site is gone.
const siteLife = 10 * time.Millisecond

// siteList is the sites of a moment as searches are answered with them.
type siteList struct {
	made   time.Time
	roster *federation.Roster
	sites  []*admin.Site
	asOf   int64
	clock  string // what is to be said of this machine's
}

// recentSites is sites, with who suspended those that are, and asOf: this copy has at least what it had a moment ago. The list is
// shared by the answers of a moment: it must not be changed.
func (n *Node) recentSites(ctx context.Context) (*siteList, error) {
	now, roster := time.Now(), n.ledger.Roster()
	if l := n.siteList.Load(); l != nil && l.roster == roster && now.Sub(l.made) < siteLife {
		return l, nil
	}
	l := &siteList{made: now, roster: roster, asOf: n.asOf(), sites: n.sites()}
	if err := n.nameSuspensions(ctx, l.sites); err != nil {
		return nil, err
	}
	var err error
	if l.clock, err = n.clockWords(ctx); err != nil {
		return nil, err
	}
	n.siteList.Store(l)
	return l, nil
}

// sites says of each trust whether it can be reached, and when it was last heard.
func (n *Node) sites() []*admin.Site {
	roster := n.ledger.Roster()
	peers := n.gossip.Peers()
	st := n.replica.Status()
	var out []*admin.Site
	for _, t := range roster.Trusts() {
		for _, node := range t.Nodes {
			s := &admin.Site{
				Trust: string(t.ID), Name: t.Name, Node: string(replicaID(node.ID)), Address: node.Address, Standing: t.Standing.String(), Raft: partIn(st, replicaID(node.ID)),
			}
			if node.Standing != federation.Active {
				s.Standing = node.Standing.String()
			}
			if node.ID == n.ID() {
				s.Reachable, s.AsOf, s.Version = true, time.Now().UnixMicro(), n.version
			} else if p, ok := peers[node.ID]; ok {
				s.Reachable, s.Version = p.State == gossip.Up, p.Version
				if !p.Heard.IsZero() {
					s.AsOf = p.Heard.UnixMicro()
				}
			}
			out = append(out, s)
		}
	}
	return out
}

// partIn says what part a node has in the consensus group, as this node knows it.
func partIn(st consensus.Status, id consensus.ID) string {
	switch {
	case id == st.Leader:
		return "leader"
	case slices.Contains(st.Voters, id):
		return "voter"
	case slices.Contains(st.Observers, id):
		return "observer"
	default:
		return "none"
	}
}

// caughtUp reports whether a node answers and has nearly everything.
func (n *Node) caughtUp(id federation.NodeID, applied uint64) bool {
	p, ok := n.gossip.Peers()[id]
	return ok && p.State == gossip.Up && p.Applied > 0 && p.Applied+promotionLag >= applied
}
