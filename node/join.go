package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/endpoint"
	"github.com/ridgeway-exchange/ridgeway/federation/wire"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

const (
	// joinTimeout bounds the conversation with the sponsor: it commits an enrolment within it.
	joinTimeout = 15 * time.Second
	// approvalPause is how often a newcomer asks whether the others have approved.
	approvalPause = 2 * time.Second
	// longestInvitation is how long an invitation can be good, with a day for clocks that differ.
	longestInvitation = 366 * 24 * time.Hour
)

// JoinOptions say how to join a region.
type JoinOptions struct {
	Data       string
	Settings   Settings
	Keep       *Settings // what is written into the configuration; nil: Settings
	Invitation string
	// Trust, when set, is what the caller believes to be; an invitation for another trust is refused before it is used.
	Trust  federation.TrustID
	Now    time.Time
	Socket func(listen string) (net.PacketConn, error) // nil: a UDP socket
	Logger *slog.Logger                                // nil: silent
	// Waiting is told how far the approval has come, at first and whenever that changes, while other trusts must approve; Join
	// then asks again until the enrolment is in force or ctx ends. When it is nil, Join returns Pending instead.
	Waiting func(Approval)
}

// Approval is how far the approval of an enrolment has come.
type Approval struct {
	Have, Need int
	// Trouble is why the sponsor could not be asked the last time; nil when it could.
	Trouble error
}

// Offer is what an invitation says, for people to check before it is used.
type Offer struct {
	Region, Name, Address, CheckWords string
	Trust                             federation.TrustID
	Sponsor                           federation.NodeID
	Expires                           time.Time
}

// ReadInvitation returns what an invitation offers. It fails with CodeInvitation when the line is damaged or has expired.
func ReadInvitation(line string, now time.Time) (Offer, error) {
	inv, err := parseInvitation(line)
	if err != nil {
		return Offer{}, err
	}
	if now.After(inv.Expires) {
		return Offer{}, admin.Errorf(admin.CodeInvitation, "the invitation for %s expired on %s: ask the sponsor at %s for another", inv.Trust, inv.Expires.Format("2 January 2006 15:04 MST"), inv.Address)
	}
	if inv.Expires.Sub(now) > longestInvitation {
		return Offer{}, admin.Errorf(admin.CodeInvitation, "the invitation for %s is good until %s, and none is for more than a year: this machine's clock says %s, which is wrong. Set it, then run this again", inv.Trust, inv.Expires.Format("2 January 2006"), now.Format("2 January 2006 15:04 MST"))
	}
	return Offer{Region: inv.Region, Name: inv.Name, Address: inv.Address, CheckWords: inv.checkWords(), Trust: inv.Trust, Sponsor: inv.Sponsor, Expires: inv.Expires}, nil
}

// Joined is what a node became by joining.
type Joined struct {
	Node  federation.NodeID
	Offer Offer
	// Pending says that other governing trusts must approve first, and how far that has come. The folder cannot be served
	// until Join was repeated after they have.
	Pending  bool
	Approval Approval
}

// Join makes a data folder, redeems the invitation with the sponsor and keeps what the sponsor tells of the region. The node
// takes part once it is served. When Join was cut off it can be repeated with the same folder and invitation: the keys of
// the first try are used again, so that the sponsor recognises the same newcomer. Where the region's charter asks for the
// approval of other trusts, the sponsor tells what the node needs only once they have given it.
func Join(ctx context.Context, o JoinOptions) (Joined, error) {
	offer, err := ReadInvitation(o.Invitation, o.Now)
	if err != nil {
		return Joined{}, err
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Trust != "" && o.Trust != offer.Trust {
		return Joined{}, admin.Errorf(admin.CodeInvitation, "the invitation is for %s, not for %s: ask the sponsor for one in your name", offer.Trust, o.Trust)
	}
	if err := o.Settings.Check(o.Data); err != nil {
		return Joined{}, err
	}
	f, k, err := joiningFolder(ctx, o)
	if err != nil {
		return Joined{}, err
	}
	joined, err := joinAs(ctx, o, f, k, offer)
	return joined, errors.Join(err, f.Close())
}

// joinAs redeems the invitation with the keys of a folder.
func joinAs(ctx context.Context, o JoinOptions, f *storage.Folder, k keys, offer Offer) (Joined, error) {
	// The settings first: whoever runs the command again need not say them again.
	keep := o.Settings
	if o.Keep != nil {
		keep = *o.Keep
	}
	if err := errors.Join(keep.save(o.Data), restrict(o.Data)); err != nil {
		return Joined{}, err
	}
	joined := Joined{Node: k.nodeID(), Offer: offer}
	reply, err := redeem(ctx, o, k)
	if err != nil {
		return Joined{}, err
	}
	if reply.GetPending() && o.Waiting != nil {
		if reply, err = awaitApproval(ctx, o, k, reply); err != nil {
			return Joined{}, err
		}
	}
	if reply.GetPending() {
		joined.Pending, joined.Approval = true, approvalOf(reply)
		return joined, nil
	}
	m := membership{Trust: offer.Trust, Name: offer.Name, Region: reply.GetName(), RegionID: reply.GetRegion(), SubjectKey: reply.GetSubjectKey()}
	for _, p := range reply.GetPeers() {
		m.Peers = append(m.Peers, seedPeer{Node: federation.Digest(p.GetNode()).String(), Trust: federation.TrustID(p.GetTrust()), Address: p.GetAddress()})
	}
	// The membership last: it is what says that the node has joined.
	return joined, m.save(f)
}

func approvalOf(r *wire.EnrolReply) Approval {
	return Approval{Have: int(r.GetApprovals()), Need: int(r.GetNeeded())}
}

// awaitApproval asks the sponsor again and again, until the enrolment is in force or the sponsor refuses.
func awaitApproval(ctx context.Context, o JoinOptions, k keys, reply *wire.EnrolReply) (*wire.EnrolReply, error) {
	now := approvalOf(reply)
	o.Waiting(now)
	tick := time.NewTicker(approvalPause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil, admin.Errorf(admin.CodeInterrupted, "stopped while it waits for approval (%d of %d): run the same command again, with the same folder and invitation, to go on", now.Have, now.Need)
		case <-tick.C:
		}
		next, err := redeem(ctx, o, k)
		switch {
		case ctx.Err() != nil:
			continue // said above
		case admin.CodeOf(err) == admin.CodeUnavailable:
			// The sponsor is away; it will be back.
			if now.Trouble == nil {
				now.Trouble = err
				o.Waiting(now)
			}
		case err != nil:
			return nil, err
		case !next.GetPending():
			return next, nil
		case approvalOf(next) != now:
			now = approvalOf(next)
			o.Waiting(now)
		}
	}
}

// joiningFolder makes the data folder, or opens the one that an earlier try left behind.
func joiningFolder(ctx context.Context, o JoinOptions) (*storage.Folder, keys, error) {
	_, statErr := os.Stat(filepath.Join(o.Data, "FORMAT"))
	master, err := o.Settings.masterKey(ctx, o.Data, statErr != nil)
	if err != nil {
		return nil, keys{}, err
	}
	if statErr == nil {
		f, err := storage.OpenFolder(o.Data, "", master)
		if err != nil {
			return nil, keys{}, folderProblem(o.Data, err)
		}
		if _, err := f.LoadSecret(secretMembership); err != nil && !isAbsent(err) {
			return nil, keys{}, errors.Join(folderProblem(o.Data, err), f.Close())
		} else if err == nil {
			return nil, keys{}, errors.Join(admin.Errorf(admin.CodeDataFolder, "%s has joined a region already: start it with 'ridgeway serve --data %s'", o.Data, admin.Arg(o.Data)), f.Close())
		}
		k, err := loadKeys(f)
		if err != nil {
			return nil, keys{}, errors.Join(err, f.Close())
		}
		return f, k, nil
	}
	k, err := generateKeys()
	if err != nil {
		return nil, keys{}, err
	}
	f, err := storage.CreateFolder(o.Data, k.nodeID().String(), master, k.secrets())
	if err != nil {
		return nil, keys{}, folderProblem(o.Data, err)
	}
	// An init that was cut off may have left one behind; it is of keys that are gone.
	if err := f.DeleteSecret(secretMembership); err != nil && !isAbsent(err) {
		return nil, keys{}, errors.Join(folderProblem(o.Data, err), f.Close())
	}
	return f, k, nil
}

// redeem talks to the sponsor. The newcomer trusts only the key whose digest the invitation names, and proves the secret by
// an HMAC bound to this connection and to its own keys, so that the secret never travels.
func redeem(ctx context.Context, o JoinOptions, k keys) (*wire.EnrolReply, error) {
	inv, err := parseInvitation(o.Invitation)
	if err != nil {
		return nil, err
	}
	socket, err := openSocket(o.Socket, o.Settings.Listen)
	if err != nil {
		return nil, err
	}
	nobody := func(endpoint.PeerID) error { return errors.New("not a member of a region yet") }
	door, err := endpoint.New(endpoint.Config{
		Conn: socket, Key: k.node, Logger: o.Logger, Admit: nobody,
		Resolve: func(p endpoint.PeerID) (string, error) { return "", nobody(p) },
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the endpoint: %w", err), socket.Close())
	}
	defer func() { _ = door.Close() }()
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	stream, err := door.DialJoin(ctx, inv.Address, endpoint.PeerID(inv.Sponsor))
	if err != nil {
		return nil, sponsorProblem(inv, err)
	}
	conn, err := dialRPC(func(context.Context) (net.Conn, error) { return stream, nil })
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	binding, err := endpoint.Binding(stream)
	if err != nil {
		return nil, fmt.Errorf("bind to the connection: %w", err)
	}
	member := federation.EncodeBody(federation.Enrol{Member: proposal(k, inv.Trust, inv.Name, o.Settings.advertised())})
	token := inv.token()
	id := invitationID(token)
	reply, err := wire.NewJoinClient(conn).Enrol(ctx, &wire.EnrolRequest{Invitation: id[:], Proof: joinProof(token, binding, member), Member: member})
	if err != nil {
		return nil, sponsorProblem(inv, err)
	}
	if reply.GetPending() {
		return reply, nil
	}
	if len(reply.GetRegion()) != 32 || len(reply.GetSubjectKey()) != 32 {
		return nil, admin.Errorf(admin.CodeInternal, "the sponsor's answer is incomplete: both ends may run versions that do not fit")
	}
	for _, p := range reply.GetPeers() {
		if len(p.GetNode()) != 32 {
			return nil, admin.Errorf(admin.CodeInternal, "the sponsor's answer names a node that is none: both ends may run versions that do not fit")
		}
	}
	return reply, nil
}

func sponsorProblem(inv invitation, err error) error {
	if st, ok := status.FromError(err); ok {
		switch st.Code() {
		case codes.PermissionDenied:
			return admin.Errorf(admin.CodeInvitation, "the sponsor refuses the invitation: %s", st.Message())
		case codes.InvalidArgument:
			return admin.Errorf(admin.CodeBadInput, "the sponsor at %s does not enrol %s: %s", inv.Address, inv.Trust, st.Message())
		case codes.Unavailable, codes.DeadlineExceeded:
		default:
			return admin.Errorf(admin.CodeUnavailable, "the sponsor at %s could not enrol %s: %s", inv.Address, inv.Trust, st.Message())
		}
	}
	return admin.Errorf(admin.CodeUnavailable, "the sponsor at %s does not answer (%v): check that its node runs, and that UDP to that address is allowed in both directions", inv.Address, err)
}

// openSocket opens the one UDP socket of a node.
func openSocket(open func(string) (net.PacketConn, error), listen string) (net.PacketConn, error) {
	if open != nil {
		return open(listen)
	}
	addr, err := net.ResolveUDPAddr("udp", listen)
	if err != nil {
		return nil, admin.Errorf(admin.CodeConfig, "listen address %s: %v: give an address of this machine with --listen, such as 0.0.0.0:7451", listen, err)
	}
	c, err := net.ListenUDP("udp", addr)
	if err != nil {
		return nil, socketProblem(listen, err)
	}
	return c, nil
}
