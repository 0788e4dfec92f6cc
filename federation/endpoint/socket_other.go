//go:build !linux

package endpoint

import "net"

// growBuffers asks for large buffers. Other systems than Linux do not say what they granted.
func growBuffers(conn *net.UDPConn) (read, write int) {
	if conn.SetReadBuffer(wantBuffer) == nil {
		read = wantBuffer
	}
	if conn.SetWriteBuffer(wantBuffer) == nil {
		write = wantBuffer
	}
	return read, write
}

// coalesce returns shown: datagrams are read one by one.
func coalesce(_ *net.UDPConn, shown udpSocket) udpSocket { return shown }
