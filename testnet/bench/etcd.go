package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// etcd is a cluster of three members on this machine, spoken to in its own protocol.
type etcd struct {
	conns []*grpc.ClientConn
	value []byte
	next  atomic.Int64
}

// etcd starts the cluster. The function returned ends it; the peer is nil when there is none, and the error says why.
func (e *env) etcd(ctx context.Context) (*etcd, func(), error) {
	program, err := e.program("etcd")
	if err != nil {
		return nil, func() {}, err
	}
	home, err := e.lodge("etcd")
	if err != nil {
		return nil, func() {}, err
	}
	c := &etcd{value: make([]byte, 300)}
	fillRandom(c.value, 7)
	stop := func() {
		for _, conn := range c.conns {
			_ = conn.Close() // the members end as well
		}
		home.leave()
	}
	ports, err := freePorts(6)
	if err != nil {
		stop()
		return nil, func() {}, err
	}
	var cluster []string
	for i := range 3 {
		cluster = append(cluster, fmt.Sprintf("m%d=http://127.0.0.1:%d", i, ports[3+i]))
	}
	for i := range 3 {
		client, peer := fmt.Sprintf("http://127.0.0.1:%d", ports[i]), fmt.Sprintf("http://127.0.0.1:%d", ports[3+i])
		m, err := spawn(exec.Command(program, "--name", fmt.Sprintf("m%d", i), "--data-dir", filepath.Join(home.dir, fmt.Sprint(i)), "--listen-client-urls", client,
			"--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
			"--initial-cluster", strings.Join(cluster, ","), "--initial-cluster-state", "new", "--log-level", "error", "--quota-backend-bytes", "8589934592"))
		if err != nil {
			stop()
			return nil, func() {}, err
		}
		home.running = append(home.running, m)
		conn, err := grpc.NewClient(strings.TrimPrefix(client, "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			stop()
			return nil, func() {}, err
		}
		c.conns = append(c.conns, conn)
	}
	err = home.running[0].ready(ctx, "etcd to answer", func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		return c.call(ctx, 0, "Put", putRequest(nil, []byte("ready"), []byte("1")))
	})
	if err != nil {
		stop()
		return nil, func() {}, err
	}
	return c, stop, nil
}

// batched writes n values of 300 bytes, 100 a transaction, and returns how many a second.
func (c *etcd) batched(ctx context.Context, n int) (float64, error) {
	const clients, batch = 32, 100
	base := c.next.Add(int64(n)) - int64(n)
	began := time.Now()
	err := each(clients, func(client int) error {
		for i := client * batch; i < n; i += clients * batch {
			var txn []byte
			for k := i; k < min(i+batch, n); k++ {
				txn = field(txn, 2, field(nil, 2, putRequest(nil, etcdKey(base+int64(k)), c.value)))
			}
			if err := c.call(ctx, client%3, "Txn", txn); err != nil {
				return err
			}
		}
		return nil
	})
	return float64(n) / time.Since(began).Seconds(), err
}

// single writes one value at a time.
func (c *etcd) single(ctx context.Context, clients int, d time.Duration) (float64, error) {
	rate, _, err := during(d, clients, func(client, _ int) error {
		return c.call(ctx, client%3, "Put", putRequest(nil, etcdKey(c.next.Add(1)), c.value))
	})
	return rate, err
}

func etcdKey(n int64) []byte {
	s := subjectOf(int(n) % 50_000)
	return binary.BigEndian.AppendUint64(append([]byte("p/"), s[:]...), uint64(n))
}

// putRequest encodes an etcdserverpb.PutRequest.
func putRequest(b, key, value []byte) []byte { return field(field(b, 1, key), 2, value) }

// field appends a field of bytes in protobuf's encoding.
func field(b []byte, number int, value []byte) []byte {
	b = binary.AppendUvarint(b, uint64(number)<<3|2)
	b = binary.AppendUvarint(b, uint64(len(value)))
	return append(b, value...)
}

func (c *etcd) call(ctx context.Context, member int, method string, request []byte) error {
	var reply []byte
	return c.conns[member].Invoke(ctx, "/etcdserverpb.KV/"+method, request, &reply, grpc.ForceCodec(rawCodec{}))
}

// rawCodec passes on messages that are encoded already.
type rawCodec struct{}

var errNotBytes = errors.New("not bytes")

// Marshal returns the message itself.
func (rawCodec) Marshal(v any) ([]byte, error) {
	b, ok := v.([]byte)
	if !ok {
		return nil, errNotBytes
	}
	return b, nil
}

// Unmarshal keeps the message itself.
func (rawCodec) Unmarshal(data []byte, v any) error {
	b, ok := v.(*[]byte)
	if !ok {
		return errNotBytes
	}
	*b = append((*b)[:0], data...)
	return nil
}

// Name is that of protobuf, which the messages are in.
func (rawCodec) Name() string { return "proto" }
