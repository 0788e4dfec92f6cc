package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/endpoint"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/federation/wire"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// settingRegion is the setting that keeps what is known of the region apart from the copy of its state.
const settingRegion = "region"

const (
	rejoinPause   = time.Second
	rejoinTimeout = 5 * time.Second
)

// knownRegion is what a node that has lost its copy of the agreed state needs to get another: whom to ask, and that there
// is a region, so that its founder does not begin a second one.
type knownRegion struct {
	Peers  []seedPeer // active nodes, without this one
	Voters []string   // node ids
}

func readRegion(ctx context.Context, records *record.Store) (knownRegion, bool, error) {
	var k knownRegion
	b, found, err := records.Setting(ctx, settingRegion)
	if err != nil || !found {
		return k, false, err
	}
	if err := json.Unmarshal(b, &k); err != nil {
		return k, false, fmt.Errorf("what is known of the region: %w", errors.Join(err, storage.ErrIntegrity))
	}
	return k, true, nil
}

// founded reports whether this node has seen its region.
func (n *Node) founded(ctx context.Context) (bool, error) {
	_, found, err := readRegion(ctx, n.records)
	return found, err
}

// remember keeps what is known of the region, when it has changed.
func (n *Node) remember(ctx context.Context, last *knownRegion) error {
	roster := n.ledger.Roster()
	if roster.RegionID.IsZero() {
		return nil
	}
	k := knownRegion{Peers: []seedPeer{}, Voters: []string{}}
	for _, p := range roster.ActiveNodes() {
		if p.ID != n.ID() {
			_, t, _ := roster.Node(p.ID)
			k.Peers = append(k.Peers, seedPeer{Node: p.ID.String(), Trust: t.ID, Address: p.Address})
		}
	}
	for _, id := range n.replica.Status().Voters {
		k.Voters = append(k.Voters, string(id))
	}
	if slices.Equal(k.Peers, last.Peers) && slices.Equal(k.Voters, last.Voters) {
		return nil
	}
	b, err := json.Marshal(k)
	if err != nil {
		return err
	}
	if err := n.records.SetSetting(ctx, settingRegion, b); err != nil {
		return err
	}
	*last = k
	return nil
}

// memory keeps what is known of the region up to date, until the node stops.
func (n *Node) memory(ctx context.Context) {
	var last knownRegion
	var kept, joined rarely
	keep := func(ctx context.Context) {
		kept.tell(errors.Join(n.remember(ctx, &last), n.keepWhole(ctx)), func(err error) {
			n.logger.Warn("what is known of the region was not kept; it is tried again", slog.Any("error", err))
		})
	}
	tick := time.NewTicker(rejoinPause)
	defer tick.Stop()
	for {
		keep(ctx)
		if err := n.rejoin(ctx); ctx.Err() == nil {
			joined.tell(err, func(err error) { n.logger.Info("waiting to rejoin the region", slog.Any("error", err)) })
		}
		select {
		case <-ctx.Done():
			keep(context.WithoutCancel(ctx))
			return
		case <-tick.C:
		}
	}
}

// rejoin asks the leader to take this node's vote away, after Recover: it has lost what it voted on. The steward gives it
// another once it has caught up.
func (n *Node) rejoin(ctx context.Context) error {
	st := n.replica.Status()
	if !st.Forgotten || st.Leader == "" {
		return nil
	}
	leader, err := federation.ParseNodeID(string(st.Leader))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, rejoinTimeout)
	defer cancel()
	conn, err := dialRegion(n.door, leader)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_, err = wire.NewRegionClient(conn).Rejoin(ctx, &wire.RejoinRequest{})
	return err
}

// RecoverOptions say what to recover.
type RecoverOptions struct {
	Data     string
	Settings Settings
	// Yes sets aside a copy that is whole as well, and one whose vote the region may need now.
	Yes    bool
	Socket func(listen string) (net.PacketConn, error) // nil: a UDP socket
}

// Recover sets a damaged copy of the region's state aside, so that the node gets another from the region when it is served.
// Records, documents and the audit log are not touched. It refuses where nobody else has a copy that counts; and unless Yes is
// set, also when the copy is whole, and when the other voters that can be reached are not enough to go on without this one.
func Recover(ctx context.Context, o RecoverOptions) error {
	if err := present(o.Data); err != nil {
		return err
	}
	master, err := o.Settings.masterKey(ctx, o.Data, false)
	if err != nil {
		return err
	}
	f, err := storage.OpenFolder(o.Data, "", master)
	if err != nil {
		return folderProblem(o.Data, err)
	}
	return errors.Join(recoverFolder(ctx, o, f), f.Close())
}

func recoverFolder(ctx context.Context, o RecoverOptions, f *storage.Folder) error {
	k, err := loadKeys(f)
	if err != nil {
		return folderProblem(o.Data, err)
	}
	m, err := loadMembership(f)
	if err != nil {
		return err
	}
	known, err := recoverable(ctx, o.Data, f, m, k)
	if err != nil {
		return err
	}
	forgotten, whole, err := examine(f, k, m)
	switch {
	case err != nil:
		return consensusProblem(o.Data, err)
	case whole && forgotten:
		return nil // an earlier run has set it aside
	case whole && !o.Yes:
		return admin.Errorf(admin.CodeBadInput, "%s: the copy of the region's state is whole, so there is nothing to recover: start the node with 'ridgeway serve --data %s'. To set the copy aside all the same, add --yes", o.Data, admin.Arg(o.Data))
	}
	if !o.Yes {
		if err := spareable(ctx, o, k, known); err != nil {
			return err
		}
	}
	if err := consensus.Forget(f.Path("region")); err != nil {
		return consensusProblem(o.Data, err)
	}
	return nil
}

// recoverable returns what is known of the region, and fails where nobody else could give its state back.
func recoverable(ctx context.Context, data string, f *storage.Folder, m membership, k keys) (knownRegion, error) {
	records, err := record.Open(ctx, recordOptions(f, m, k))
	if err != nil {
		if known := diskProblem(data, err); known != nil {
			return knownRegion{}, known
		}
		return knownRegion{}, admin.Errorf(admin.CodeIntegrity, "%s: the record store says whom to get the state from, and it cannot be opened: %v", data, err)
	}
	known, found, err := readRegion(ctx, records)
	if err := errors.Join(err, records.Close()); err != nil {
		return known, fmt.Errorf("read what is known of the region: %w", err)
	}
	if !found && len(m.Charter) > 0 {
		return known, admin.Errorf(admin.CodeIntegrity, "%s: this node founded its region and has never seen another in it, so nobody else can give it the state back: restore the folder from a backup", data)
	}
	if found && (len(known.Peers) == 0 || len(known.others(k)) == 0) {
		return known, admin.Errorf(admin.CodeIntegrity, "%s: this node has the region's only vote, so nobody else can give it the state back: restore the folder from a backup", data)
	}
	return known, nil
}

// others returns the voters that are not this node.
func (r knownRegion) others(k keys) []string {
	return slices.DeleteFunc(slices.Clone(r.Voters), func(id string) bool { return id == k.nodeID().String() })
}

// noNetwork is for a replica that is only looked at.
type noNetwork struct{ consensus.Network }

// examine reports whether the copy of the region's state is whole, and whether it was set aside before.
func examine(f *storage.Folder, k keys, m membership) (forgotten, whole bool, err error) {
	dir := f.Path("region")
	if blank, err := consensus.Blank(dir); err != nil || blank {
		return false, false, err
	}
	ledger, err := index.New(index.Config{Logger: slog.New(slog.DiscardHandler), Region: federation.Digest(m.RegionID)})
	if err != nil {
		return false, false, err
	}
	forgotten, err = consensus.Examine(consensus.Config{
		ID: replicaID(k.nodeID()), Dir: dir, Network: noNetwork{}, Machine: ledger, Sealer: f.Sealer("region state"), Storage: consensus.SmallStorage(),
		Member: func(consensus.ID) bool { return false },
	})
	switch {
	case err == nil:
		return forgotten, true, nil
	case errors.Is(err, consensus.ErrInUse):
		return false, false, err
	default:
		return false, false, nil
	}
}

// spareable fails unless enough of the other voters answer for the region to go on without this node's vote.
func spareable(ctx context.Context, o RecoverOptions, k keys, known knownRegion) error {
	others := known.others(k)
	if len(others) == len(known.Voters) {
		return nil // it has no vote to lose
	}
	silent, err := silentVoters(ctx, o, k, known)
	if err != nil {
		return err
	}
	quorum := len(known.Voters)/2 + 1
	answer := len(others) - len(silent)
	if answer >= quorum {
		return nil
	}
	return admin.Errorf(admin.CodeUnavailable, "%s: of the region's %d voters %d must go on while this one has no vote, and %d answer with a copy of the state (no answer: %s). "+
		"Recover one voter at a time: bring the others up, and let one that was recovered before catch up ('ridgeway status' there says voter). "+
		"To set the copy aside now all the same, add --yes: the region agrees on nothing until enough others are back",
		o.Data, len(known.Voters), quorum, answer, strings.Join(silent, ", "))
}

// silentVoters asks the other voters how they stand and returns the trusts of those that do not answer, or have no copy of the
// state themselves.
func silentVoters(ctx context.Context, o RecoverOptions, k keys, known knownRegion) ([]string, error) {
	socket, err := openSocket(o.Socket, o.Settings.Listen)
	if err != nil {
		return nil, err
	}
	address := make(map[endpoint.PeerID]seedPeer)
	for _, p := range known.Peers {
		if id, err := federation.ParseNodeID(p.Node); err == nil {
			address[endpoint.PeerID(id)] = p
		}
	}
	door, err := endpoint.New(endpoint.Config{
		Conn: socket, Key: k.node, Logger: slog.New(slog.DiscardHandler),
		Admit: func(p endpoint.PeerID) error {
			if _, ok := address[p]; !ok {
				return errNotMember
			}
			return nil
		},
		Resolve: func(p endpoint.PeerID) (string, error) {
			if peer, ok := address[p]; ok {
				return peer.Address, nil
			}
			return "", errNotMember
		},
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the endpoint: %w", err), socket.Close())
	}
	defer func() { _ = door.Close() }() // nothing is sent any more
	ctx, cancel := context.WithTimeout(ctx, rejoinTimeout)
	defer cancel()
	others := known.others(k)
	silent := make([]string, len(others))
	var asked sync.WaitGroup
	for i, text := range others {
		asked.Go(func() {
			id, err := federation.ParseNodeID(text)
			if err == nil {
				var reply *wire.StatusReply
				if reply, err = askStatus(ctx, door, id); err == nil && reply.GetApplied() > 0 {
					return
				}
			}
			silent[i] = orText(string(address[endpoint.PeerID(id)].Trust), text)
		})
	}
	asked.Wait()
	return slices.DeleteFunc(silent, func(s string) bool { return s == "" }), nil
}

func orText(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// recordOptions are those that every opening of the record store has in common.
func recordOptions(f *storage.Folder, m membership, k keys) record.Options {
	o := record.Options{
		Dir: f.Path("records"), Trust: m.Trust, Sealer: f.Sealer("records"), IDKey: storage.DeriveKey([32]byte(k.node.Seed()), "document ids"),
	}
	copy(o.SubjectKey[:], m.SubjectKey)
	return o
}
