package endpoint

import (
	"net"

	"golang.org/x/sys/unix"
)

// growBuffers makes the socket's buffers as large as wanted, or as the system allows, and returns
// their sizes in bytes. With CAP_NET_ADMIN the system's limit does not apply.
func growBuffers(conn *net.UDPConn) (read, write int) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, 0
	}
	// What counts is the size in the end, so errors on the way are of no interest.
	_ = raw.Control(func(fd uintptr) {
		grow := func(size, force int) int {
			n, _ := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, size)
			for _, option := range []int{size, force} {
				if n < wantBuffer {
					_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, option, wantBuffer)
					n, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, size)
				}
			}
			return n
		}
		read = grow(unix.SO_RCVBUF, unix.SO_RCVBUFFORCE)
		write = grow(unix.SO_SNDBUF, unix.SO_SNDBUFFORCE)
	})
	return read, write
}
