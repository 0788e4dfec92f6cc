package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
	"github.com/ridgeway-exchange/ridgeway/testnet"
)

const (
	opThousand = "1,000 documents of 100 KB to a peer, decided and audited, on its disk"
	opGigabyte = "1 GiB to a peer, verified and on its disk"
	inFlight   = 16
)

// benchThousand fetches many small documents, each into a synced file.
func benchThousand(ctx context.Context, e *env) ([]row, error) {
	r, clean, err := e.region(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer clean()
	defer asProcesses()()
	n := e.few(1000, 64)
	ids, err := keepAll(ctx, r, n, 100_000, 4)
	if err != nil {
		return nil, err
	}
	ours := func(ctx context.Context) (float64, error) {
		dir, err := e.temp("received")
		if err != nil {
			return 0, err
		}
		defer os.RemoveAll(dir)
		began := time.Now()
		err = each(inFlight, func(w int) error {
			for i := w; i < n; i += inFlight {
				if _, err := fetchFile(ctx, r, ids[i], filepath.Join(dir, fmt.Sprint(i))); err != nil {
					return err
				}
			}
			return nil
		})
		return time.Since(began).Seconds(), err
	}
	peer, stop, why := e.orthanc(ctx, 2)
	defer stop()
	var theirs sample
	if peer != nil {
		send, err := peer.sender(ctx, n, 100_000)
		if err != nil {
			return nil, err
		}
		theirs = send
	}
	mine, their, err := e.alternate(ctx, ours, theirs)
	line := row{Operation: opThousand, Unit: "s"}.compared(mine, their, "Orthanc peer", true).atLeast(3, 0, ">= 3 x Orthanc")
	if n != 1000 {
		line = line.noted("%d documents", n)
	}
	return []row{line.noted("16 in flight").noted("%s", reason(why))}, err
}

// fetchFile fetches a document into a file and syncs it.
func fetchFile(ctx context.Context, r *testnet.Region, id federation.DocumentID, path string) (fetched, error) {
	f, err := os.Create(path)
	if err != nil {
		return fetched{}, err
	}
	defer f.Close()
	got, err := fetch(ctx, r, reader, id, &writtenBack{file: f})
	return got, errors.Join(err, f.Sync())
}

// writtenBack is a file whose content is on its way to the disk while more comes, as the command line's is.
type writtenBack struct {
	file      *os.File
	size, due int64
}

func (w *writtenBack) Write(b []byte) (int, error) {
	n, err := w.file.Write(b)
	if w.size += int64(n); w.size-w.due >= 8<<20 {
		storage.WriteBack(w.file, w.due, w.size-w.due)
		w.due = w.size
	}
	return n, err
}

// benchGigabyte sends one large document.
func benchGigabyte(ctx context.Context, e *env) ([]row, error) {
	r, clean, err := e.region(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer clean()
	size := int64(e.few(1024, 64)) << 20
	id, err := keep(ctx, r.Node(custodian), 1, "large.pdf", size, pattern{size: size, blocks: int(size / block), seed: 9})
	if err == nil {
		err = settle(ctx, r)
	}
	if err != nil {
		return nil, err
	}
	dir, err := e.temp("received")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	ours := func(ctx context.Context) (float64, error) {
		began := time.Now()
		f, err := fetchFile(ctx, r, id, filepath.Join(dir, "large"))
		took := time.Since(began)
		if err == nil && f.bytes != size {
			err = fmt.Errorf("fetched %d bytes", f.bytes)
		}
		return took.Seconds(), errors.Join(err, os.Remove(filepath.Join(dir, "large")))
	}
	peer, stop, why := e.syncthing(ctx)
	defer stop()
	var theirs sample
	if peer != nil {
		theirs = func(ctx context.Context) (float64, error) { return peer.send(ctx, size) }
	}
	mine, their, err := e.alternate(ctx, ours, theirs)
	line := row{Operation: opGigabyte, Unit: "s"}.compared(mine, their, "Syncthing", true).atLeast(1, 0, ">= Syncthing")
	if size != 1<<30 {
		line = line.noted("%d MiB", size>>20)
	}
	return []row{line.noted("Syncthing: from the moment it may pull, the file scanned before").noted("%s", reason(why))}, err
}

var _ io.ReaderAt = pattern{}
