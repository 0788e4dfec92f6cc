package consensus

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/hashicorp/raft"
)

func frameOf(t testing.TB, kind frameKind, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := writeFrame(bufio.NewWriter(&b), kind, body); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// requests are one of each kind that raft sends.
func requests() map[frameKind]struct {
	body []byte
	want any
} {
	h := header(testID(1))
	ae := &raft.AppendEntriesRequest{
		RPCHeader: h, Term: 5, PrevLogEntry: 9, PrevLogTerm: 4, LeaderCommitIndex: 8,
		Entries: []*raft.Log{
			{Index: 10, Term: 5, Type: raft.LogCommand, Data: []byte("data")},
			{Index: 11, Term: 5, Type: raft.LogNoop, Data: []byte{}},
		},
	}
	vote := &raft.RequestVoteRequest{RPCHeader: h, Term: 6, LastLogIndex: 11, LastLogTerm: 5, LeadershipTransfer: true}
	pre := &raft.RequestPreVoteRequest{RPCHeader: h, Term: 6, LastLogIndex: 11, LastLogTerm: 5}
	install := &raft.InstallSnapshotRequest{
		RPCHeader: h, SnapshotVersion: 1, Term: 5, LastLogIndex: 9, LastLogTerm: 4,
		Configuration: []byte("config"), ConfigurationIndex: 3, Size: 1 << 40,
	}
	timeout := &raft.TimeoutNowRequest{RPCHeader: h}
	return map[frameKind]struct {
		body []byte
		want any
	}{
		frameAppend:   {encodeAppend(ae), ae},
		frameVote:     {encodeVote(vote), vote},
		framePreVote:  {encodePreVote(pre), pre},
		frameSnapshot: {encodeInstall(install), install},
		frameTimeout:  {encodeTimeout(timeout), timeout},
	}
}

func TestRequestsSurviveTheWire(t *testing.T) {
	for kind, c := range requests() {
		gotKind, body, err := readFrame(bufio.NewReader(bytes.NewReader(frameOf(t, kind, c.body))))
		if err != nil || gotKind != kind {
			t.Fatalf("kind %d: %d, %v", kind, gotKind, err)
		}
		got, err := decodeRequest(kind, body)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("kind %d: got %+v, %v\nwant %+v", kind, got, err, c.want)
		}
		for cut := range c.body {
			if got, err := decodeRequest(kind, c.body[:cut]); err == nil {
				t.Errorf("kind %d cut to %d bytes decodes to %+v", kind, cut, got)
			}
		}
		if _, err := decodeRequest(kind, append(bytes.Clone(c.body), 0)); !errors.Is(err, errFrame) {
			t.Errorf("kind %d with a byte more: %v", kind, err)
		}
	}
}

func TestFramesAreCapped(t *testing.T) {
	for _, c := range []struct {
		name string
		head []byte
	}{
		{"no kind", []byte{0, 0, 0, 0, 0}},
		{"unknown kind", []byte{0, 0, 0, 1, 200}},
		{"vote of a gigabyte", []byte{0x40, 0, 0, 0, byte(frameVote)}},
		{"append of 16 MiB and one", []byte{1, 0, 0, 2, byte(frameAppend)}},
	} {
		if _, _, err := readFrame(bufio.NewReader(bytes.NewReader(c.head))); !errors.Is(err, errFrame) {
			t.Errorf("%s: %v, want a malformed frame", c.name, err)
		}
	}
}

// TestClaimedLengthIsNotAllocated: sixteen megabytes are announced and five bytes come.
func TestClaimedLengthIsNotAllocated(t *testing.T) {
	frame := append(binary.BigEndian.AppendUint32(nil, maxFrame), byte(frameAppend))
	frame = append(frame, "hello"...)
	r := bufio.NewReaderSize(nil, 16)
	bytesPerRun := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r.Reset(bytes.NewReader(frame))
			if _, _, err := readFrame(r); err == nil {
				b.Fatal("a short frame was read")
			}
		}
	}).AllocedBytesPerOp()
	if bytesPerRun > 4*trustedBytes {
		t.Errorf("%d bytes were allocated for a claim", bytesPerRun)
	}
}

func TestEntriesAreCutToFitAFrame(t *testing.T) {
	var entries []*raft.Log
	for i := range 100 {
		entries = append(entries, &raft.Log{Index: uint64(i + 1), Term: 1, Type: raft.LogCommand, Data: make([]byte, MaxCommand+1)})
	}
	n := fit(entries)
	body := encodeAppend(&raft.AppendEntriesRequest{RPCHeader: header(testID(1)), Entries: entries[:n]})
	if len(body) > maxFrame || n < 30 {
		t.Errorf("%d entries take %d bytes", n, len(body))
	}
}

func TestCallsSurviveTheWire(t *testing.T) {
	for _, c := range []call{
		{kind: frameSubmit, timeout: 5e9, priority: Urgent, command: []byte("cmd")},
		{kind: frameReadIndex, timeout: 1e9},
		{kind: frameWaitApplied, timeout: 1e9, index: 77},
		{kind: frameMember, timeout: 1e9, index: 78},
	} {
		number, got, err := decodeCall(c.kind, c.encode(12))
		if err != nil || number != 12 || !reflect.DeepEqual(got, c) {
			t.Errorf("got %d %+v, %v; want %+v", number, got, err, c)
		}
	}
	for _, err := range []error{nil, ErrNotLeader, ErrNoQuorum, ErrOutcomeUnknown, ErrOverloaded, ErrTooLarge, ErrRemoved} {
		_, r, bad := decodeReply(replyOf(3, []byte("x"), err).encode(1))
		if bad != nil || !errors.Is(r.err(), err) {
			t.Errorf("%v became %v, %v", err, r.err(), bad)
		}
	}
}

func FuzzFrame(f *testing.F) {
	for kind, c := range requests() {
		f.Add(frameOf(f, kind, c.body))
	}
	f.Add(frameOf(f, frameSubmit, call{kind: frameSubmit, priority: Bulk, command: []byte("c")}.encode(1)))
	f.Add(frameOf(f, frameAnswer, answer{term: 1}.encode()))
	f.Add(frameOf(f, frameReply, reply{code: replyDone}.encode(1)))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bufio.NewReader(bytes.NewReader(b))
		for {
			kind, body, err := readFrame(r)
			if err != nil {
				return
			}
			if request, err := decodeRequest(kind, body); err == nil {
				if a, ok := request.(*raft.AppendEntriesRequest); ok {
					again, err := decodeAppend(encodeAppend(a))
					if err != nil || !reflect.DeepEqual(a, again) {
						t.Fatalf("%+v became %+v, %v", a, again, err)
					}
					for _, l := range a.Entries {
						_ = checkEntry(l) // must not panic
					}
				}
			}
			_, _, _ = decodeCall(kind, body)
			_, _, _ = decodeReply(body)
			_, _ = decodeAnswer(body)
		}
	})
}

func TestConfigurationsOfRaftDecode(t *testing.T) {
	for _, n := range []int{1, 2, 15, 16, 17, 300, maxMembers} {
		var c raft.Configuration
		for i := range n {
			id := fmt.Sprintf("%064x", i)
			c.Servers = append(c.Servers, raft.Server{Suffrage: raft.ServerSuffrage(i % 2), ID: raft.ServerID(id), Address: raft.ServerAddress(id)})
		}
		got, err := decodeConfiguration(raft.EncodeConfiguration(c))
		if err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("%d servers: %d, %v", n, len(got.Servers), err)
		}
	}
}

func TestPoisonousConfigurationsAreRefused(t *testing.T) {
	good := raft.EncodeConfiguration(servers([]ID{testID(1)}, []ID{testID(2)}))
	other := servers([]ID{testID(1)}, nil)
	other.Servers[0].Address = "10.0.0.1:80"
	staging := servers([]ID{testID(1), testID(2)}, nil)
	staging.Servers[1].Suffrage = raft.Staging
	for name, b := range map[string][]byte{
		"empty":                      nil,
		"three bytes":                {1, 2, 3},
		"a claim that takes minutes": {0xdf, 0, 0, 0, 1, 0xa1, 0x78, 0xc9, 0xdd, 0xb2, 0x59, 0xff, 0xff},
		"cut":                        good[:len(good)-1],
		"longer":                     append(bytes.Clone(good), 0),
		"twice the same":             raft.EncodeConfiguration(servers([]ID{testID(1), testID(1)}, nil)),
		"no voter":                   raft.EncodeConfiguration(servers(nil, []ID{testID(1)})),
		"nobody":                     raft.EncodeConfiguration(raft.Configuration{}),
		"an address":                 raft.EncodeConfiguration(other),
		"staging":                    raft.EncodeConfiguration(staging),
		"too many":                   append([]byte("\x81\xa7Servers\xdc\xff\xff"), make([]byte, 100)...),
	} {
		if c, err := decodeConfiguration(b); err == nil {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

func FuzzConfiguration(f *testing.F) {
	f.Add(raft.EncodeConfiguration(servers([]ID{testID(1)}, []ID{testID(2)})))
	f.Add([]byte{1, 2, 3})
	f.Add([]byte("\x81\xa7Servers\xdc\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeConfiguration(b)
		if err != nil {
			return
		}
		if voters(c) == 0 {
			t.Fatal("a configuration without a voter passed")
		}
		if got := raft.DecodeConfiguration(b); !reflect.DeepEqual(got, c) {
			t.Fatalf("raft reads %+v, we read %+v", got, c)
		}
	})
}

func FuzzMark(f *testing.F) {
	f.Add(mark{index: 1, entryTerm: 2, term: 3, voteTerm: 4, forgotten: true}.encode(5))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, gen, ok := decodeMark(b)
		if !ok {
			return
		}
		again, g, ok := decodeMark(m.encode(gen))
		if !ok || again != m || g != gen {
			t.Fatalf("%+v became %+v", m, again)
		}
	})
}

func FuzzCommit(f *testing.F) {
	room := &arena{}
	f.Add([]byte{1, 1, 0})
	f.Add(append([]byte{1, 1, 0, 5}, room.row(rowSet, []byte("k"), []byte("v"))...))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeCommit(b, 1)
		if err != nil {
			return
		}
		for _, e := range c.entries {
			if e.row.deleted() && len(e.row.value()) > 0 {
				t.Fatal("a deletion with a value")
			}
		}
	})
}

func FuzzManifest(f *testing.F) {
	m := &manifest{next: 3, journal: 2, at: position{4, 1}, members: membership{1, []byte("c")}, tables: []tableInfo{{number: 1, rows: 2, pages: 3}}}
	f.Add(m.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeManifest(b)
		if err != nil {
			return
		}
		if again, err := decodeManifest(m.encode()); err != nil || !reflect.DeepEqual(again, m) {
			t.Fatalf("%+v became %+v, %v", m, again, err)
		}
	})
}

func FuzzPage(f *testing.F) {
	var w pageWriter
	w.add([]byte("key1"), []byte("value"), false)
	w.add([]byte("key2"), nil, true)
	f.Add(w.buf)
	f.Fuzz(func(t *testing.T, b []byte) {
		var p pageReader
		p.open(b)
		for n := 0; p.next(); n++ {
			if n > len(b) {
				t.Fatal("more rows than bytes")
			}
		}
	})
}

func FuzzTableIndex(f *testing.F) {
	f.Add([]byte{10, 1, 'k', 20, 2, 'k', 'l'})
	f.Fuzz(func(t *testing.T, b []byte) {
		table := &table{tableInfo: tableInfo{pages: 30}}
		if table.readIndex(b) == nil && len(table.offset) != len(table.sepEnd)+1 {
			t.Fatal("a page without a place")
		}
	})
}
