package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/endpoint"
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
	keep := func(ctx context.Context) {
		if err := n.remember(ctx, &last); err != nil {
			n.logger.Warn("what is known of the region was not kept", slog.Any("error", err))
		}
	}
	tick := time.NewTicker(rejoinPause)
	defer tick.Stop()
	for {
		keep(ctx)
		if err := n.rejoin(ctx); err != nil && ctx.Err() == nil {
			n.logger.Info("waiting to rejoin the region", slog.Any("error", err))
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
	conn, err := dialRPC(func(ctx context.Context) (net.Conn, error) {
		return n.door.Dial(ctx, endpoint.LaneControl, serviceRegion, endpoint.PeerID(leader))
	})
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_, err = wire.NewRegionClient(conn).Rejoin(ctx, &wire.RejoinRequest{})
	return err
}

// Recover sets a damaged copy of the region's state aside, so that the node gets another from the region when it is served.
// Records, documents and the audit log are not touched. It refuses where nobody else has a copy that counts.
func Recover(ctx context.Context, data string, settings Settings) error {
	master, err := settings.masterKey(ctx, data, false)
	if err != nil {
		return err
	}
	f, err := storage.OpenFolder(data, "", master)
	if err != nil {
		return folderProblem(data, err)
	}
	return errors.Join(recoverFolder(ctx, data, f), f.Close())
}

func recoverFolder(ctx context.Context, data string, f *storage.Folder) error {
	k, err := loadKeys(f)
	if err != nil {
		return folderProblem(data, err)
	}
	m, err := loadMembership(f)
	if err != nil {
		return err
	}
	records, err := record.Open(ctx, recordOptions(f, m, k))
	if err != nil {
		if known := diskProblem(data, err); known != nil {
			return known
		}
		return admin.Errorf(admin.CodeIntegrity, "%s: the record store says whom to get the state from, and it cannot be opened: %v", data, err)
	}
	known, found, err := readRegion(ctx, records)
	if err := errors.Join(err, records.Close()); err != nil {
		return fmt.Errorf("read what is known of the region: %w", err)
	}
	if !found && len(m.Charter) > 0 {
		return admin.Errorf(admin.CodeIntegrity, "%s: this node founded its region and has never seen another in it, so nobody else can give it the state back: restore the folder from a backup", data)
	}
	others := slices.DeleteFunc(known.Voters, func(id string) bool { return id == k.nodeID().String() })
	if found && (len(known.Peers) == 0 || len(others) == 0) {
		return admin.Errorf(admin.CodeIntegrity, "%s: this node has the region's only vote, so nobody else can give it the state back: restore the folder from a backup", data)
	}
	if err := consensus.Forget(f.Path("region")); err != nil {
		return consensusProblem(data, err)
	}
	return nil
}

// recordOptions are those that every opening of the record store has in common.
func recordOptions(f *storage.Folder, m membership, k keys) record.Options {
	o := record.Options{
		Dir: f.Path("records"), Trust: m.Trust, Sealer: f.Sealer("records"), IDKey: storage.DeriveKey([32]byte(k.node.Seed()), "document ids"),
	}
	copy(o.SubjectKey[:], m.SubjectKey)
	return o
}
