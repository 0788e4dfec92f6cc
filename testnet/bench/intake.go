package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/ingest"
	"github.com/ridgeway-exchange/ridgeway/storage"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
)

const (
	opIntake  = "take in 64 KiB scans: durable, hashed, sealed, deduplicated, indexed"
	opPublish = "the same until the region has agreed on all of them"
	opAudit   = "audit entry, one writer, synced, against one fdatasync of 4 KiB"
	takers    = 256 // a document waits for two groups of writes most of the time, and those that wait together share them
)

// benchIntake takes folders of scans in, with the same path as the command line.
func benchIntake(ctx context.Context, e *env) ([]row, error) {
	r, clean, err := e.region(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer clean()
	defer asProcesses()()
	n := e.few(5000, 200)
	seed, published := uint64(0), series{}
	ours := func(ctx context.Context) (float64, error) {
		seed++
		folder, err := e.temp("scans")
		if err != nil {
			return 0, err
		}
		defer os.RemoveAll(folder)
		manifest, err := scans(folder, n, seed)
		if err != nil {
			return 0, err
		}
		began := time.Now()
		report, err := ingest.Run(ctx, ingest.Config{Taker: r.Node(custodian), CheckPatient: node.ReadNHSNumber, Now: time.Now, Workers: takers}, folder, manifest)
		took := time.Since(began)
		if err == nil && report.Counts.TakenIn != n {
			err = fmt.Errorf("%d of %d taken in: %+v", report.Counts.TakenIn, n, report.Results[0])
		}
		if err == nil {
			err = r.Published(ctx, custodian)
		}
		published = append(published, float64(n)/time.Since(began).Seconds())
		return float64(n) / took.Seconds(), errors.Join(err, settle(ctx, r))
	}
	peer, stop, why := e.orthanc(ctx, 1)
	defer stop()
	var theirs sample
	if peer != nil {
		theirs = peer.intake(e.few(1500, 100), 64<<10, 16)
	}
	mine, their, err := e.alternate(ctx, ours, theirs)
	line := row{Operation: opIntake, Unit: "/s"}.compared(mine, their, "Orthanc", false).atLeast(3, 3000, ">= 3 x Orthanc, >= 3,000/s")
	line = line.noted("files of a folder, checked for what they are, %d at once", takers).noted("%s", reason(why))
	return []row{line, row{Operation: opPublish, Unit: "/s"}.compared(published, nil, "", false)}, err
}

// scans writes n TIFF files and returns their manifest.
func scans(folder string, n int, seed uint64) (*ingest.Manifest, error) {
	var list strings.Builder
	list.WriteString("file,patient,type,date,title\n")
	for i := range n {
		name := fmt.Sprintf("%06d.tif", i)
		if err := os.WriteFile(filepath.Join(folder, name), scan(64<<10, seed<<32+uint64(i)), 0o644); err != nil {
			return nil, err
		}
		fmt.Fprintf(&list, "%s,%s,823681000000100,2026-06-01,Scan %d of batch %d\n", name, number(i/perPatient), i, seed)
	}
	return ingest.ParseManifest(strings.NewReader(list.String()))
}

// scan makes a TIFF file of one bilevel page whose only strip does not compress.
//
//	II 42 | 8: directory of 9 entries, next 0 | 122: strip
func scan(size int, seed uint64) []byte {
	const strip = 8 + 2 + 9*12 + 4
	width := 1024
	height := (size - strip) * 8 / width
	out := append([]byte("II*\x00"), 8, 0, 0, 0)
	out = binary.LittleEndian.AppendUint16(out, 9)
	for _, tag := range []struct {
		id, kind uint16
		value    int
	}{
		{256, 4, width}, {257, 4, height}, {258, 3, 1}, {259, 3, 1}, {262, 3, 0}, {273, 4, strip}, {277, 3, 1}, {278, 4, height}, {279, 4, width / 8 * height},
	} {
		out = binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(out, tag.id), tag.kind)
		out = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(out, 1), uint32(tag.value))
	}
	out = append(out, 0, 0, 0, 0)
	bits := make([]byte, width/8*height)
	fillRandom(bits, seed)
	return append(out, bits...)
}

// benchAudit compares an audit entry with the write to the disk that it cannot do without.
func benchAudit(ctx context.Context, e *env) ([]row, error) {
	dir, err := e.temp("audit")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	log, err := audit.Open(ctx, audit.Options{Dir: filepath.Join(dir, "log"), Sealer: storage.NewSealer([32]byte{1}), Key: keyOf("audit")})
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // only measured
	entry := audit.Entry{
		Kind: audit.Intent, Trust: custodian, User: "dr.example", Role: "clinician", Purpose: "TREAT", Subject: subjectOf(1),
		Document: federation.NewDocumentID(custodian, federation.DocumentKey{1}), Custodian: custodian, Outcome: "PERMIT", Rules: "region; agreement 1 of RYJ, rule direct-care",
	}
	f, err := os.Create(filepath.Join(dir, "plain"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if _, err := f.Write(bytes.Repeat([]byte{1}, 1<<20)); err != nil {
		return nil, errors.Join(err, f.Sync())
	}
	n := e.few(1000, 100)
	per := func(once func(i int) error) sample {
		return func(context.Context) (float64, error) {
			began := time.Now()
			for i := range n {
				if err := once(i); err != nil {
					return 0, err
				}
			}
			return milliseconds(time.Since(began)) / float64(n), nil
		}
	}
	page := make([]byte, 4096)
	mine, base, err := e.alternate(ctx, per(func(int) error {
		entry.Time = time.Now().UTC()
		_, err := log.Append(ctx, entry)
		return err
	}), per(func(i int) error {
		_, err := f.WriteAt(page, int64(i%256)*4096)
		return errors.Join(err, datasync(f))
	}))
	line := row{Operation: opAudit, Unit: "ms"}.compared(mine, base, "fdatasync", true)
	return []row{line.judged("within 1.3 x", line.Ratio >= 1/1.3)}, err
}
