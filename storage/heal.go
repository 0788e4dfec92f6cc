package storage

import (
	"fmt"
	"os"
	"path/filepath"
)

// heal rewrites the whole part of unmarked tails, cuts off the rest, and removes logs begun by halves.
func (p *preflight) heal() error {
	for _, kind := range []byte{'m', 'v'} {
		names, err := listLogs(p.dir, kind)
		if err != nil {
			return err
		}
		for _, name := range names {
			c, ok := p.logs[name]
			if _, ended := p.sealed.files[name.fid]; !ok && (kind == 'm' || !ended) || ok && c.end < logHeaderSize {
				if err := os.Remove(filepath.Join(p.dir, name.String())); err != nil {
					return err
				}
				delete(p.logs, name)
			}
		}
	}
	kept := p.names[:0]
	for _, name := range p.names {
		if c, ok := p.logs[name]; ok {
			if err := c.heal(p.dir, p.opt.Sync); err != nil {
				return fmt.Errorf("make %s good: %w", name, err)
			}
			kept = append(kept, name)
		}
	}
	p.names = kept
	return syncDir(p.dir)
}

func (c *checkedLog) heal(dir string, sync func(*os.File) error) error {
	f, err := os.OpenFile(filepath.Join(dir, c.String()), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	buf := make([]byte, 256*kib)
	for off := c.marked; off < c.end; { // pages that a failed write-back has left looking clean become dirty again
		b := buf[:min(int64(len(buf)), c.end-off)]
		if _, err := f.ReadAt(b, off); err != nil {
			return err
		}
		if _, err := f.WriteAt(b, off); err != nil {
			return err
		}
		off += int64(len(b))
	}
	if c.size > c.end {
		if err := f.Truncate(c.end); err != nil {
			return err
		}
	}
	return sync(f)
}
