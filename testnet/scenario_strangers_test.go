package testnet

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/endpoint"
	"github.com/ridgeway-exchange/ridgeway/federation/wire"
	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// TestStrangerGetsNowhereOnAnyLane has somebody with keys of their own try every way in.
func TestStrangerGetsNowhereOnAnyLane(t *testing.T) {
	play(t, seeds(1, 1), RegionOptions{Members: members(3)}, func(s *stage) {
		s.published(ryj, s.patients[0], 1000)
		g := s.stranger("stranger")
		for _, to := range s.r.Trusts() {
			for _, w := range ways() {
				g.refusedOn(to, w)
			}
			g.knocksAtTheJoinLane(to)
		}
		g.close()
		for _, at := range s.r.Up() {
			if n := len(s.r.Node(at).Consensus().Voters); n != 3 {
				s.Errorf("%s has %d voters", at, n)
			}
		}
		s.invitationsAreGoodOnce()
	})
}

// knocksAtTheJoinLane tries the one lane that strangers may use, without an invitation.
func (g *rogue) knocksAtTheJoinLane(to federation.TrustID) {
	g.s.Helper()
	try := func(what string, call func(context.Context, net.Conn) error) {
		g.s.Helper()
		ctx, cancel := context.WithTimeout(g.s.ctx, 5*time.Second)
		defer cancel()
		c, err := g.door.DialJoin(ctx, g.s.net.Addr(string(to)).String(), endpoint.PeerID(g.nodes[to]))
		g.s.must(err)
		defer c.Close()
		if code := grpcstatus.Code(call(ctx, c)); code != codes.PermissionDenied && code != codes.Unimplemented {
			g.s.Errorf("%s on the join lane of %s: %s, want to be refused", what, to, code)
		}
	}
	try("enrolment without an invitation", func(ctx context.Context, c net.Conn) error {
		conn, err := calls(c)
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = wire.NewJoinClient(conn).Enrol(ctx, &wire.EnrolRequest{Invitation: garbage(g.s.dice, 8), Proof: garbage(g.s.dice, 32), Member: garbage(g.s.dice, 200)})
		return err
	})
	try("what is for members", func(ctx context.Context, c net.Conn) error {
		_, err := status(ctx, c)
		return err
	})
}

// invitationsAreGoodOnce uses one line twice, and one that was changed.
func (s *stage) invitationsAreGoodOnce() {
	s.Helper()
	s.enlist(Member{"RX1", "Newcomer"})
	invited, err := s.r.Node(ryj).Invite(s.ctx, &admin.InviteRequest{Trust: "RX1", Name: "Newcomer"})
	s.must(err)
	line := invited.GetInvitation()
	join := func(host, line string) error {
		_, err := node.Join(s.ctx, node.JoinOptions{
			Data: filepath.Join(s.r.opts.Dir, host), Invitation: line, Now: time.Now(),
			Settings: node.Settings{Listen: s.net.Addr(host).String(), InsecureDevKeys: true},
			Socket:   func(string) (net.PacketConn, error) { return s.net.Listen(host) },
		})
		return err
	}
	changed := []byte(line)
	changed[len(changed)/2] ^= 1
	if err := join("changed", string(changed)); codeOf(err) != admin.CodeInvitation {
		s.Errorf("a changed invitation: %v", err)
	}
	s.must(join("RX1", line))
	if err := join("second", line); codeOf(err) != admin.CodeInvitation {
		s.Errorf("an invitation that was used: %v", err)
	}
	s.must(s.r.start(s.ctx, "RX1"))
}

// TestSuspendedNodeGetsNowhereOnAnyLane suspends a trust while its streams are open, and lifts it.
func TestSuspendedNodeGetsNowhereOnAnyLane(t *testing.T) {
	play(t, seeds(1, 1), RegionOptions{Members: members(5)}, func(s *stage) {
		id := s.published(ryj, s.patients[0], 4<<20)
		s.must(s.r.Converged(s.ctx))
		g := s.suspendedInTheAct(id)
		for _, to := range s.others(rj1) {
			for _, w := range ways() {
				g.refusedOn(to, w)
			}
		}
		s.fetch(ras, id, "") // the others go on

		_, err := s.r.Node(ryj).Suspend(s.ctx, &admin.SuspendRequest{Trust: string(rj1), Lift: true, Reason: "drill over"})
		s.must(err)
		s.must(s.soon(10*time.Second, "equal roots", s.r.Converged))
		for _, w := range ways() {
			c, err := g.dial(ryj, w)
			s.must(err)
			s.must(c.Close())
		}
		g.close()
		s.must(s.r.Restart(s.ctx, rj1))
		s.must(s.soon(time.Minute, "the region to be complete again", s.r.Ready))
		s.fetch(rj1, id, "")
		s.published(rj1, s.patients[1], 1000)
	})
}

// suspendedInTheAct suspends a trust whose node is in the middle of a fetch, and once more whose streams are open on all lanes.
// It returns a rogue with the keys of the suspended node.
func (s *stage) suspendedInTheAct(id federation.DocumentID) *rogue {
	s.Helper()
	s.must(s.r.SetLink(ryj, rj1, LinkOptions{Latency: 5 * time.Millisecond, Rate: 200_000, Buffer: 64 << 10}))
	wire := s.watch(ryj, rj1)
	began := time.Now()
	ended := make(chan error, 1)
	go func() {
		_, err := s.r.Fetch(s.ctx, rj1, &admin.FetchRequest{Document: string(id)}, nil)
		ended <- err
	}()
	s.pass(3 * time.Second)
	s.suspend(rj1, false)
	suspended := time.Now()
	err := <-ended
	s.Logf("a fetch that began %s before it ended %s after the suspension: %v", suspended.Sub(began), time.Since(suspended), err)
	if err == nil {
		s.Error("a suspended trust was given a document")
	}
	if n := wire.after(suspended.Add(time.Second)); n > notADocument {
		s.Errorf("%d bytes went to a suspended node", n)
	}
	s.fetch(ras, id, "")
	s.pass(30 * time.Second) // long enough to be taken out of the consensus group
	s.suspend(rj1, true)
	s.must(s.soon(time.Minute, "the suspended node to be back", s.r.Ready))
	s.must(s.r.SetLink(ryj, rj1, LinkOptions{Latency: 5 * time.Millisecond}))

	g := s.impostor(rj1)
	var open []net.Conn
	for _, to := range s.others(rj1) {
		for _, w := range ways() {
			c, err := g.dial(to, w)
			s.must(err)
			open = append(open, c)
		}
	}
	s.suspend(rj1, false)
	suspended = time.Now()
	for _, c := range open {
		if err := g.ends(c, time.Second); err == nil {
			s.Errorf("a stream of the suspended node is open %s after", time.Since(suspended))
		} else if !errors.Is(err, endpoint.ErrEvicted) && !errors.Is(err, endpoint.ErrNotAdmitted) {
			s.Logf("a stream of the suspended node ended with %v", err)
		}
		s.must(c.Close())
	}
	if took := time.Since(suspended); took > time.Second {
		s.Errorf("it took %s to close the streams of a suspended node", took)
	}
	return g
}

// suspend suspends a trust, or lifts that, and waits until the region has taken note.
func (s *stage) suspend(t federation.TrustID, lift bool) {
	s.Helper()
	reply, err := s.r.Node(ryj).Suspend(s.ctx, &admin.SuspendRequest{Trust: string(t), Lift: lift, Reason: "drill"})
	s.must(err)
	s.must(want(reply.GetInForce(), "the suspension waits for approvals"))
}
