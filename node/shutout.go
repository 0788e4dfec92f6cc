package node

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
)

const shutOutPrefix = "shut out "

// shutOut is a member of this trust's own staff who may do nothing at this node. A trust answers for its staff, so this is its
// own decision, kept in its own record store: no other trust is asked, and none has to believe it, because whatever the person
// would ask of another trust this node would have to sign.
type shutOut struct {
	User   string    `json:"user"`
	Reason string    `json:"reason"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
}

// shutOuts are all of them, in memory and in the store, by the staff id in small letters.
type shutOuts struct {
	mu sync.RWMutex
	by map[string]shutOut
}

func (s *shutOuts) of(user string) (shutOut, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	x, found := s.by[foldStaff(user)]
	return x, found
}

func foldStaff(user string) string { return strings.ToLower(strings.TrimSpace(user)) }

// openShutOuts reads who is shut out. What cannot be read stops the node: it could be somebody.
func (n *Node) openShutOuts(ctx context.Context) error {
	names, err := n.records.Settings(ctx, shutOutPrefix)
	if err != nil {
		return n.storeProblem(err)
	}
	by := make(map[string]shutOut)
	for _, name := range names {
		b, found, err := n.records.Setting(ctx, name)
		if err != nil {
			return n.storeProblem(err)
		}
		var x shutOut
		if !found || json.Unmarshal(b, &x) != nil || x.User == "" {
			return admin.Errorf(admin.CodeIntegrity, "it cannot be read which members of staff are suspended: run 'ridgeway scrub'")
		}
		by[foldStaff(x.User)] = x
	}
	n.shutOuts.mu.Lock()
	defer n.shutOuts.mu.Unlock()
	n.shutOuts.by = by
	return nil
}

// ShutOut reports whether a member of this trust's staff is suspended.
func (n *Node) ShutOut(user string) bool {
	_, found := n.shutOuts.of(user)
	return found
}

// admit refuses an asker that is not well formed, and one that is suspended. That a suspended one asked is written down.
func (n *Node) admit(ctx context.Context, who *admin.Asker) error {
	if err := checkAsker(who); err != nil {
		return err
	}
	return n.admitUser(ctx, who)
}

func (n *Node) admitUser(ctx context.Context, who *admin.Asker) error {
	x, found := n.shutOuts.of(who.GetUser())
	if !found {
		return nil
	}
	err := n.note(ctx, audit.Entry{
		Time: time.Now().UTC(), Kind: audit.Refusal, Trust: n.Trust(), Node: n.ID(), User: clipText(who.GetUser(), audit.MaxName), Role: clipText(who.GetRole(), audit.MaxName),
		Outcome: policy.Denied.String(), Detail: "a suspended member of staff asked, and was told nothing",
	})
	if err != nil {
		return err
	}
	return admin.Errorf(admin.CodeDenied, "%s is suspended by this trust since %s: nothing is done for them. A governance lead or privacy officer lifts it with 'ridgeway suspend --user %s --lift --by STAFF-ID'",
		x.User, x.At.Format("2 January 2006 15:04 MST"), x.User)
}

// governs is governor, and refuses who is suspended. That somebody asked who may not is written down.
func (n *Node) governs(ctx context.Context, a *admin.Asker, what string, roles []string) error {
	if err := governor(a, what, roles); err != nil {
		return n.deniedNoted(ctx, audit.Admin, a, err)
	}
	return n.admitUser(ctx, a)
}

// deniedNoted writes down who was denied something, and by what; other errors are left as they are.
func (n *Node) deniedNoted(ctx context.Context, kind audit.Kind, a *admin.Asker, err error) error {
	if admin.CodeOf(err) != admin.CodeDenied {
		return err
	}
	noted := n.note(ctx, audit.Entry{
		Time: time.Now().UTC(), Kind: kind, Trust: n.Trust(), Node: n.ID(), User: clipText(a.GetUser(), audit.MaxName), Role: clipText(a.GetRole(), audit.MaxName),
		Outcome: policy.Denied.String(), Detail: clipText(err.Error(), audit.MaxDetail),
	})
	if noted != nil {
		return noted
	}
	return err
}

// whileAdmitted stops a transfer between two pieces once its user is suspended.
func (n *Node) whileAdmitted(ctx context.Context, who *admin.Asker, send func(*admin.FetchReply) error) func(*admin.FetchReply) error {
	return func(r *admin.FetchReply) error {
		if err := n.admitUser(ctx, who); err != nil {
			return err
		}
		return send(r)
	}
}

// SuspendUser shuts a member of this trust's staff out, lets them in again, or lists who is shut out. A governance lead or a
// privacy officer does it, and it is written down before it counts. It is in force when this returns.
func (n *Node) SuspendUser(ctx context.Context, q *admin.SuspendUserRequest) (*admin.SuspendUserReply, error) {
	if err := n.governs(ctx, q.GetAsker(), "suspends members of staff", approverRoles); err != nil {
		return nil, err
	}
	next := shutOut{User: strings.TrimSpace(q.GetUser()), Reason: strings.TrimSpace(q.GetReason()), By: q.GetAsker().GetUser(), At: time.Now().UTC()}
	switch {
	case next.User == "":
		return n.shutOutReply(), n.noteShutOut(ctx, q.GetAsker(), "listed the suspended members of staff")
	case !plainStaffID(next.User):
		return nil, notStaffID(next.User)
	case len(next.Reason) > maxNote:
		return nil, admin.Errorf(admin.CodeBadInput, "the reason has at most %d bytes", maxNote)
	case next.Reason == "" && !q.GetLift():
		return nil, admin.Errorf(admin.CodeBadInput, "why is %s suspended? Give --reason", next.User)
	case samePerson(next.User, next.By):
		return nil, admin.Errorf(admin.CodeDenied, "%s cannot suspend themselves: nobody could undo it in their name. Another governance lead or privacy officer must", next.By)
	}
	if err := n.setShutOut(ctx, q, next); err != nil {
		return nil, err
	}
	return n.shutOutReply(), nil
}

func (n *Node) setShutOut(ctx context.Context, q *admin.SuspendUserRequest, next shutOut) error {
	n.shutOuts.mu.Lock()
	defer n.shutOuts.mu.Unlock()
	key := foldStaff(next.User)
	old, found := n.shutOuts.by[key]
	what := "suspended " + next.User + ": " + next.Reason
	switch {
	case q.GetLift() && !found:
		return admin.Errorf(admin.CodeNotFound, "%s is not suspended: 'ridgeway suspend --list' lists who is", next.User)
	case found && !q.GetLift():
		return admin.Errorf(admin.CodeBadInput, "%s is suspended already, by %s on %s", old.User, old.By, old.At.Format("2 January 2006 15:04 MST"))
	case q.GetLift():
		what = "lifted the suspension of " + old.User + ": " + next.Reason
	}
	if err := n.noteShutOut(ctx, q.GetAsker(), what); err != nil {
		return err
	}
	name := shutOutPrefix + hex.EncodeToString([]byte(key))
	if q.GetLift() {
		if err := n.records.DeleteSetting(ctx, name); err != nil {
			return n.storeProblem(err)
		}
		delete(n.shutOuts.by, key)
		return nil
	}
	b, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("keep who is suspended: %w", err)
	}
	if err := n.records.SetSetting(ctx, name, b); err != nil {
		return n.storeProblem(err)
	}
	n.shutOuts.by[key] = next
	return nil
}

func (n *Node) noteShutOut(ctx context.Context, who *admin.Asker, what string) error {
	return n.note(ctx, audit.Entry{
		Time: time.Now().UTC(), Kind: audit.Admin, Trust: n.Trust(), Node: n.ID(), User: who.GetUser(), Role: who.GetRole(), Purpose: who.GetPurpose(),
		Detail: clipText(what, audit.MaxDetail),
	})
}

// shutOutReply lists who is shut out, the last first.
func (n *Node) shutOutReply() *admin.SuspendUserReply {
	n.shutOuts.mu.RLock()
	defer n.shutOuts.mu.RUnlock()
	reply := &admin.SuspendUserReply{}
	for _, x := range n.shutOuts.by {
		reply.Users = append(reply.Users, &admin.SuspendedUser{User: x.User, Reason: x.Reason, By: x.By, At: x.At.UnixMicro()})
	}
	slices.SortFunc(reply.Users, func(a, b *admin.SuspendedUser) int {
		return cmp.Or(cmp.Compare(b.GetAt(), a.GetAt()), cmp.Compare(a.GetUser(), b.GetUser()))
	})
	return reply
}

// SuspendUser shuts somebody out.
func (s adminServer) SuspendUser(ctx context.Context, q *admin.SuspendUserRequest) (*admin.SuspendUserReply, error) {
	return s.n.SuspendUser(ctx, q)
}
