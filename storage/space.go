package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A Level says how much room is left. Do not reorder: a greater level means less room.
type Level uint8

// The levels of free space.
const (
	LevelOK       Level = iota + 1 // nothing is refused
	LevelWarn                      // nothing is refused; the operator is told
	LevelNoIngest                  // new documents are refused
	LevelReadOnly                  // only what evidence needs is written
)

// String returns the level's name for logs and metrics.
func (l Level) String() string {
	switch l {
	case LevelOK:
		return "ok"
	case LevelWarn:
		return "warn"
	case LevelNoIngest:
		return "no-ingest"
	case LevelReadOnly:
		return "read-only"
	default:
		return "invalid"
	}
}

// A Purpose says what a write is for, and so how long it is let through as space runs out.
type Purpose uint8

// The purposes of writes.
const (
	Ingest    Purpose = iota + 1 // document content: up to LevelWarn
	Metadata                     // records and state: up to LevelNoIngest
	Essential                    // audit evidence and what frees space: until the last reserve is used
)

const (
	reserveFile        = "RESERVE"
	defaultMinFree     = 64 << 20
	defaultReserve     = 32 << 20
	defaultSpaceTick   = 5 * time.Second
	hysteresisPercent  = 1.0
	warnPercent        = 25.0
	noIngestPercent    = 10.0
	readOnlyPercent    = 5.0
	percentOfAll       = 100.0
	percentBase        = 64 << 30 // bytes of a larger volume that percentages are of
	reserveFilePattern = 0o600
)

// SpaceConfig configures a Space. Only Dir is required.
type SpaceConfig struct {
	Dir     string                                                // a folder on the volume to watch; the reserve file lies in it
	Logger  *slog.Logger                                          // nil discards
	Statfs  func(dir string) (total, available uint64, err error) // nil asks the operating system
	MinFree uint64                                                // bytes that no write may go below; 0 is 64 MiB
	Write   uint64                                                // bytes that every write asks for beside its own; where MinFree and these are not free, the level is LevelReadOnly
	Reserve int64                                                 // bytes of the reserve file; 0 is 32 MiB, negative is none
	Every   time.Duration                                         // how often Run measures; 0 is 5 seconds
}

// A Space watches the free space of one volume and refuses writes before the disk is full. Writing a
// memory-mapped file on a full disk ends the process with SIGBUS, so the gate must close before that.
//
//	free        level      refused
//	>= 25 %     ok         nothing
//	 < 25 %     warn       nothing
//	 < 10 %     no-ingest  Ingest
//	 <  5 %     read-only  Ingest, Metadata
//	 < MinFree             everything; the reserve file is given up for Essential writes first
//
// On a small volume a level begins at MinFree and Write (read-only), twice (no-ingest) or three times (warn) MinFree, where this is more.
// Of a volume larger than 64 GiB the percentages are of 64 GiB: a tenth of a large volume would be terabytes that
// nobody may use. A level is left upwards only when the free space is one percentage point above its bound, so that a node at
// the bound does not switch to and fro.
type Space struct {
	cfg SpaceConfig

	mu       sync.Mutex
	level    Level
	free     uint64
	total    uint64
	reserved bool
}

// NewSpace measures the volume, sets up the reserve file where there is room for it, and returns the Space.
func NewSpace(cfg SpaceConfig) (*Space, error) {
	if cfg.Dir == "" {
		return nil, errors.New("watch free space: no folder given")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Statfs == nil {
		cfg.Statfs = statfs
	}
	if cfg.MinFree == 0 {
		cfg.MinFree = defaultMinFree
	}
	if cfg.Reserve == 0 {
		cfg.Reserve = defaultReserve
	}
	if cfg.Every == 0 {
		cfg.Every = defaultSpaceTick
	}
	s := &Space{cfg: cfg, level: LevelOK}
	if _, err := s.Check(); err != nil {
		return nil, err
	}
	return s, nil
}

// Allow returns nil when need more bytes may be written for p, ErrDiskFull when not. It measures each time.
func (s *Space) Allow(p Purpose, need int64) error {
	level, err := s.Check()
	if err != nil {
		return err
	}
	s.mu.Lock()
	free := s.free
	s.mu.Unlock()
	refusedFrom := LevelNoIngest
	switch p {
	case Ingest:
	case Metadata:
		refusedFrom = LevelReadOnly
	case Essential:
		refusedFrom = LevelReadOnly + 1
	default:
		return fmt.Errorf("write of unknown purpose %d: %w", p, ErrDiskFull)
	}
	if level >= refusedFrom {
		return fmt.Errorf("%d bytes free, level %s: %w", free, level, ErrDiskFull)
	}
	if free >= s.cfg.MinFree+uint64(max(need, 0)) {
		return nil
	}
	if p == Essential && s.releaseReserve() {
		return s.Allow(p, need)
	}
	return fmt.Errorf("%d bytes free, %d to write, %d to keep: %w", free, need, s.cfg.MinFree, ErrDiskFull)
}

// Level returns the level of the latest measurement.
func (s *Space) Level() Level {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.level
}

// Free returns the bytes free and in total at the latest measurement.
func (s *Space) Free() (free, total uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.free, s.total
}

// Run measures until ctx ends. The caller owns the goroutine that it runs in.
func (s *Space) Run(ctx context.Context) {
	tick := time.NewTicker(s.cfg.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if _, err := s.Check(); err != nil {
				s.cfg.Logger.ErrorContext(ctx, "free space is not known", slog.Any("error", err))
			}
		}
	}
}

// Check measures and returns the level. A volume that cannot be measured is an error, never a level.
func (s *Space) Check() (Level, error) {
	total, free, err := s.cfg.Statfs(s.cfg.Dir)
	if err != nil {
		return 0, fmt.Errorf("measure free space of %s: %w", s.cfg.Dir, err)
	}
	if total == 0 {
		return 0, fmt.Errorf("measure free space of %s: volume of no size", s.cfg.Dir)
	}
	s.mu.Lock()
	before := s.level
	s.level = s.nextLevel(before, free, min(total, percentBase))
	s.free, s.total = free, total
	level := s.level
	wantReserve := !s.reserved && level <= LevelWarn && s.cfg.Reserve > 0 && free > 2*(s.cfg.MinFree+uint64(s.cfg.Reserve))
	s.mu.Unlock()
	if level != before {
		log := s.cfg.Logger.Info
		if level > LevelOK {
			log = s.cfg.Logger.Warn
		}
		log("free space level changed", slog.String("level", level.String()), slog.String("before", before.String()),
			slog.Uint64("free_bytes", free), slog.Uint64("total_bytes", total))
	}
	if wantReserve {
		s.takeReserve()
	}
	return level, nil
}

// nextLevel applies the bounds, each with hysteresis on the way up. base is what percentages are of.
func (s *Space) nextLevel(now Level, free, base uint64) Level {
	bounds := []struct {
		percent float64
		floor   uint64 // for a volume so small that the percentage is less than what each write must leave
		level   Level
	}{{readOnlyPercent, s.cfg.MinFree + s.cfg.Write, LevelReadOnly}, {noIngestPercent, 2 * s.cfg.MinFree, LevelNoIngest}, {warnPercent, 3 * s.cfg.MinFree, LevelWarn}}
	percent := float64(base) / percentOfAll
	for _, b := range bounds {
		bound := max(b.percent*percent, float64(b.floor))
		if now >= b.level {
			bound += hysteresisPercent * percent
		}
		if float64(free) < bound {
			return b.level
		}
	}
	return LevelOK
}

// takeReserve allocates the reserve file. Failing is no error: the reserve is tried for again at the next check.
func (s *Space) takeReserve() {
	path := filepath.Join(s.cfg.Dir, reserveFile)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, reserveFilePattern)
	if err != nil {
		return
	}
	err = unix.Fallocate(int(f.Fd()), 0, 0, s.cfg.Reserve)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		_ = os.Remove(path) // a part of a reserve would count as one
		return
	}
	s.mu.Lock()
	s.reserved = true
	s.mu.Unlock()
}

// releaseReserve gives the reserve file's space back and reports whether there was any.
func (s *Space) releaseReserve() bool {
	s.mu.Lock()
	s.reserved = false
	s.mu.Unlock()
	err := os.Remove(filepath.Join(s.cfg.Dir, reserveFile))
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			s.cfg.Logger.Error("reserve file cannot be removed", slog.Any("error", err))
		}
		return false
	}
	s.cfg.Logger.Error("the reserve of disk space is being used")
	return true
}

func statfs(dir string) (total, available uint64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, err
	}
	size := uint64(st.Frsize)
	return st.Blocks * size, st.Bavail * size, nil
}
