package main

import (
	"fmt"
	"time"
)

// arithmetic says what the measured rates mean for the archives of large trusts, on one node.
func arithmetic(r *report) []string {
	const (
		images, imageBytes = 235e6, 60e3 // a large trust's archive of scans
		pages, pageBytes   = 2.8e9, 30e3 // another's, in documents of 40 pages
		perDocument        = 40
	)
	var out []string
	intake, register, release, disk := r.ours(opIntake), r.ours(opRegister), r.ours(opBulk), r.ours(opDisk)
	for _, a := range []struct {
		what             string
		documents, bytes float64
	}{
		{"235 million images of 60 KB, one document each", images, images * imageBytes},
		{"2.8 billion pages of 30 KB, in documents of 40 pages", pages / perDocument, pages * pageBytes},
	} {
		line := fmt.Sprintf("%s: %.1f TB, %.0f million pointers.", a.what, a.bytes/1e12, a.documents/1e6)
		if intake > 0 {
			// A scan's cost is a fixed part, for its entry and its share of a sync, and bytes; documents of many pages are bound by bytes.
			byEntry, byBytes := a.documents/intake, a.bytes/(intake*64*1024)
			bound := "by the work for each document (hashing, sealing, syncs, both cores)"
			if byBytes > byEntry {
				bound = "by the bytes (hashing, sealing, both cores)"
			}
			line += fmt.Sprintf(" Taken in by one node here in %s, bound %s; a disk that writes 440 MB/s would need %s.", span(max(byEntry, byBytes)), bound, span(a.bytes/440e6))
		}
		if register > 0 {
			line += fmt.Sprintf(" Published in %s at %s pointers a second, bound by the processor of the voters.", span(a.documents/register), thousands(int64(register)))
		}
		if disk > 0 {
			line += fmt.Sprintf(" The index of it takes %.0f GB on every node.", a.documents*disk/1e9)
		}
		if release > 0 {
			line += fmt.Sprintf(" Sent to another site: %s here, %s over 1 Gbit/s, %s over 10 Gbit/s.", span(a.bytes/release/1e6), span(a.bytes/115e6), span(a.bytes/min(1150e6, release*1e6)))
		}
		out = append(out, line)
	}
	return out
}

// span writes seconds as people say them.
func span(seconds float64) string {
	d := time.Duration(seconds) * time.Second
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%.1f days", d.Hours()/24)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%.1f hours", d.Hours())
	default:
		return fmt.Sprintf("%.0f minutes", d.Minutes())
	}
}
