package endpoint

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// segmented returns the control message that has the kernel send a write as datagrams of size bytes.
func segmented(size int) []byte {
	b := make([]byte, unix.CmsgSpace(2))
	binary.NativeEndian.PutUint64(b, uint64(unix.CmsgLen(2)))
	binary.NativeEndian.PutUint32(b[8:], unix.IPPROTO_UDP)
	binary.NativeEndian.PutUint32(b[12:], unix.UDP_SEGMENT)
	binary.NativeEndian.PutUint16(b[16:], uint16(size))
	return b
}

func loopback(t *testing.T) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Skipf(noLoopback, err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// onNewKernel is how the tests of runs are run that an old kernel has skipped.
const onNewKernel = "on Linux 5.0 or later, go test -run Runs ./federation/endpoint"

// joining reads from a socket whose kernel joins datagrams.
func joining(t *testing.T, socket *net.UDPConn) *coalesced {
	t.Helper()
	c, ok := coalesce(socket, socket).(*coalesced)
	if !ok {
		t.Skip("this kernel joins no datagrams: " + onNewKernel)
	}
	return c
}

// batch is room for n datagrams of at most size bytes.
func batch(n, size int) []ipv4.Message {
	ms := make([]ipv4.Message, n)
	for i := range ms {
		ms[i].Buffers, ms[i].OOB = [][]byte{make([]byte, size)}, make([]byte, 128)
	}
	return ms
}

func TestRunsOfDatagramsAreCutAsTheyWereSent(t *testing.T) {
	from, to := loopback(t), loopback(t)
	c := joining(t, to)
	long := make([]byte, 30_000)
	for i := range long {
		long[i] = byte(i * 7)
	}
	for _, tc := range []struct {
		name   string
		sent   []byte
		size   int // of a datagram; 0: the write is one
		buffer int
		want   []int // lengths
	}{
		{"a single one", long[:100], 0, 1452, []int{100}},
		{"an empty one", nil, 0, 1452, []int{0}},
		{"a run of equals", long[:4000], 1000, 1452, []int{1000, 1000, 1000, 1000}},
		{"a run with a short end", long[:2500], 1000, 1452, []int{1000, 1000, 500}},
		{"more than one batch", long[:20*1200+7], 1200, 1452, append(repeated(1200, 20), 7)},
		{"longer than the buffer", long[:2600], 1300, 1200, []int{1200, 1200}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var control []byte
			if tc.size > 0 {
				control = segmented(tc.size)
			}
			if _, _, err := from.WriteMsgUDP(tc.sent, control, to.LocalAddr().(*net.UDPAddr)); err != nil {
				t.Skipf("this kernel sends no runs (%v): %s", err, onNewKernel)
			}
			if err := to.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			var got []int
			at := 0
			for len(got) < len(tc.want) {
				ms := batch(8, tc.buffer)
				n, err := c.ReadBatch(ms, 0)
				if err != nil {
					t.Fatal(err)
				}
				for _, m := range ms[:n] {
					if m.Addr.String() != from.LocalAddr().String() {
						t.Errorf("from %s, want %s", m.Addr, from.LocalAddr())
					}
					if !bytes.Equal(m.Buffers[0][:m.N], tc.sent[at:at+m.N]) {
						t.Errorf("datagram %d has other bytes than were sent", len(got))
					}
					got = append(got, m.N)
					at += max(m.N, tc.size)
				}
			}
			if len(got) != len(tc.want) {
				t.Fatalf("%d datagrams, want %d", len(got), len(tc.want))
			}
			for i := range got {
				if got[i] != tc.want[i] {
					t.Errorf("datagram %d has %d bytes, want %d", i, got[i], tc.want[i])
				}
			}
		})
	}
}

func repeated(n, times int) []int {
	out := make([]int, times)
	for i := range out {
		out[i] = n
	}
	return out
}

func TestLongRunsTakeOneRead(t *testing.T) {
	from, to := loopback(t), loopback(t)
	c := joining(t, to)
	if _, _, err := from.WriteMsgUDP(make([]byte, 14*1000), segmented(1000), to.LocalAddr().(*net.UDPAddr)); err != nil {
		t.Skipf("this kernel sends no runs (%v): %s", err, onNewKernel)
	}
	if n, err := c.ReadBatch(batch(8, 1452), 0); err != nil || n != 8 {
		t.Fatalf("%d datagrams, %v, want 8", n, err)
	}
	if c.read != 1 || c.runs[0].N != 14*1000 {
		t.Errorf("%d reads, the first of %d bytes: want all 14 datagrams in one", c.read, c.runs[0].N)
	}
}

func TestReadOfRunsEndsWithItsDeadline(t *testing.T) {
	to := loopback(t)
	c := joining(t, to)
	if err := to.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	n, err := c.ReadBatch(batch(1, 1452), 0)
	if n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%d, %v, want a timeout", n, err)
	}
}

func TestSegmentSizeOfBrokenControlMessages(t *testing.T) {
	for _, b := range [][]byte{nil, {1}, make([]byte, 16), bytes.Repeat([]byte{0xff}, 32)} {
		if got := segmentSize(b); got != 0 {
			t.Errorf("%x: %d, want 0", b, got)
		}
	}
}
