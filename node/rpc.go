package node

import (
	"context"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/endpoint"
)

// laneCredentials let gRPC run over streams that the endpoint has authenticated: there is no handshake left to do, only
// the stream to hand to the handlers, which ask it who the peer is.
type laneCredentials struct{}

// laneInfo is what a handler learns of the stream that a call came over.
type laneInfo struct {
	credentials.CommonAuthInfo
	stream net.Conn
}

// AuthType names the scheme.
func (laneInfo) AuthType() string { return "ridgeway-lane" }

func newLaneInfo(c net.Conn) laneInfo {
	return laneInfo{CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}, stream: c}
}

// ClientHandshake hands the stream on.
func (laneCredentials) ClientHandshake(_ context.Context, _ string, c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return c, newLaneInfo(c), nil
}

// ServerHandshake hands the stream on.
func (laneCredentials) ServerHandshake(c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return c, newLaneInfo(c), nil
}

// Info describes the scheme.
func (laneCredentials) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "ridgeway-lane"}
}

// Clone returns the same: there is no state.
func (laneCredentials) Clone() credentials.TransportCredentials { return laneCredentials{} }

// OverrideServerName does nothing: the endpoint checks keys, not names.
func (laneCredentials) OverrideServerName(string) error { return nil }

// caller returns the proven identity behind a call and the stream it came over.
func caller(ctx context.Context) (federation.NodeID, net.Conn, error) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return federation.NodeID{}, nil, status.Error(codes.Unauthenticated, "no peer")
	}
	info, ok := p.AuthInfo.(laneInfo)
	if !ok {
		return federation.NodeID{}, nil, status.Error(codes.Unauthenticated, "not over a lane")
	}
	id, ok := endpoint.Peer(info.stream)
	if !ok {
		return federation.NodeID{}, nil, status.Error(codes.Unauthenticated, "no proven identity")
	}
	return federation.NodeID(id), info.stream, nil
}

// newRPCServer returns a server with the limits that lanes need: gRPC's own defaults let a peer open any number of streams
// and send any size. permit is asked for each call, by its exact method; nothing is open by default.
func newRPCServer(permit func(ctx context.Context, method string) error) *grpc.Server {
	return grpc.NewServer(
		grpc.Creds(laneCredentials{}),
		grpc.MaxConcurrentStreams(128),
		grpc.MaxRecvMsgSize(1<<20), grpc.MaxSendMsgSize(1<<20), grpc.MaxHeaderListSize(16<<10),
		grpc.ConnectionTimeout(5*time.Second), grpc.WaitForHandlers(true),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: 5 * time.Minute, MaxConnectionAge: 30 * time.Minute, MaxConnectionAgeGrace: 30 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second}),
		grpc.UnaryInterceptor(func(ctx context.Context, req any, info *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
			if err := permit(ctx, info.FullMethod); err != nil {
				return nil, err
			}
			return h(ctx, req)
		}),
	)
}

// dialRPC returns a client connection whose streams dial opens.
func dialRPC(dial func(ctx context.Context) (net.Conn, error)) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///lane",
		grpc.WithTransportCredentials(laneCredentials{}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(1<<20), grpc.MaxCallSendMsgSize(1<<20)),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return dial(ctx) }))
}

// dialRegion returns a connection to the Region service of another node.
func dialRegion(door *endpoint.Endpoint, id federation.NodeID) (*grpc.ClientConn, error) {
	return dialRPC(func(ctx context.Context) (net.Conn, error) {
		return door.Dial(ctx, endpoint.LaneControl, serviceRegion, endpoint.PeerID(id))
	})
}
