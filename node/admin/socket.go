package admin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
)

// maxMessage is the most bytes a message may have.
const maxMessage = 4 << 20

// maxSocketPath is the longest path that a unix socket may be bound to (sockaddr_un, sun_path less its final zero).
const maxSocketPath = 107

// SocketPath returns where the node of a data folder listens. A path too long for a socket is shortened through the
// folder's open descriptor by Listen and Dial themselves.
func SocketPath(data string) string { return filepath.Join(data, "node.sock") }

// Listen opens the socket of a data folder. The caller must hold the folder's lock, so that a socket left by a process
// that is gone can be removed. Only the owner may connect.
func Listen(data string) (net.Listener, error) {
	path := SocketPath(data)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove the old socket: %w", err)
	}
	short, done, err := shorten(path)
	if err != nil {
		return nil, err
	}
	defer done()
	l, err := net.Listen("unix", short)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	if u, ok := l.(*net.UnixListener); ok {
		// The listener would remove the shortened path, which means another file by then.
		u.SetUnlinkOnClose(short == path)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("restrict %s: %w", path, err), l.Close())
	}
	return l, nil
}

// NewServer returns a gRPC server for the socket, with srv registered. Its Stop returns when no call runs any more, so that
// what the calls use can be closed then.
func NewServer(srv AdminServer) *grpc.Server {
	s := grpc.NewServer(grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage), grpc.WaitForHandlers(true),
		grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
			if q, ok := req.(proto.Message); ok {
				if err := checkRequest(q); err != nil {
					return nil, ToStatus(err)
				}
			}
			reply, err := h(ctx, req)
			return reply, ToStatus(err)
		}),
		grpc.StreamInterceptor(func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, h grpc.StreamHandler) error {
			return ToStatus(h(srv, linesStream{ss}))
		}))
	RegisterAdminServer(s, srv)
	return s
}

// Dial connects to the node of a data folder. It fails with CodeUnavailable when no node runs there.
func Dial(ctx context.Context, data string) (AdminClient, func() error, error) {
	path := SocketPath(data)
	if _, err := os.Stat(data); errors.Is(err, os.ErrPermission) {
		return nil, nil, othersNode(data, err)
	} else if err != nil {
		return nil, nil, Errorf(CodeDataFolder, "there is no data folder %s: make one with 'ridgeway init' or 'ridgeway join', or name another with --data", data)
	}
	short, done, err := shorten(path)
	if err != nil {
		return nil, nil, err
	}
	defer done()
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", short)
	if errors.Is(err, os.ErrPermission) {
		return nil, nil, othersNode(data, err)
	}
	if err != nil {
		return nil, nil, Errorf(CodeUnavailable, "no node runs on %s: start it with 'ridgeway serve --data %s' and try again. If it does not start, 'ridgeway repair --data %s' says what is damaged", data, Arg(data), Arg(data))
	}
	first := make(chan net.Conn, 1)
	first <- c
	conn, err := grpc.NewClient("passthrough:///node", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			select {
			case c := <-first:
				return c, nil
			default:
			}
			short, done, err := shorten(path)
			if err != nil {
				return nil, err
			}
			defer done()
			return d.DialContext(ctx, "unix", short)
		}))
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("connect to %s: %w", path, err), c.Close())
	}
	return NewAdminClient(conn), conn.Close, nil
}

func othersNode(data string, err error) error {
	return Errorf(CodeDataFolder, "%s cannot be opened (%v): only the user that the node runs as may speak to it. Run this as that user", data, err)
}

// shorten returns a path to the same place that a socket address can hold: through /proc/self/fd when path is too long.
// done must be called when the path is no longer needed.
func shorten(path string) (short string, done func(), err error) {
	if len(path) <= maxSocketPath {
		return path, func() {}, nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, fmt.Errorf("open folder of the socket: %w", err)
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)), func() { _ = dir.Close() }, nil
}
