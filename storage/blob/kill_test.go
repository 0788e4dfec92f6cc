package blob

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

const killDirVar = "RIDGEWAY_TEST_BLOB_DIR"

func killOptions(dir string) Options {
	opt := testOptions(dir)
	opt.ValueLogFile = 1 << 20 // many ends of files
	return opt
}

func killText(seed uint64) []byte { return text(seed, 20000+int(seed%7)*50000) }

// TestKillChild is the process that TestKilledProcessLosesNoAcknowledgedPut kills. It writes a line for each Put that
// was acknowledged, until it is killed.
func TestKillChild(t *testing.T) {
	dir := os.Getenv(killDirVar)
	if dir == "" {
		t.Skip("runs only as the child of another: go test -run TestKilledProcessLosesNoAcknowledgedPut ./storage/blob")
	}
	s, err := Open(killOptions(dir))
	if err != nil {
		t.Fatal(err)
	}
	first := 0
	if _, err := fmt.Sscan(os.Getenv(killDirVar+"_FIRST"), &first); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				seed := uint64(first + i*4 + w)
				c, err := s.Put(t.Context(), bytes.NewReader(killText(seed)))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				fmt.Printf("acked %d %d\n", seed, len(c.Chunks))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

func TestKilledProcessLosesNoAcknowledgedPut(t *testing.T) {
	dir := t.TempDir()
	var acked []uint64
	for round := range 4 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKillChild$")
		cmd.Env = append(os.Environ(), killDirVar+"="+dir, fmt.Sprintf("%s_FIRST=%d", killDirVar, round*100000))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); {
			var seed uint64
			var chunks int
			if _, err := fmt.Sscanf(lines.Text(), "acked %d %d", &seed, &chunks); err != nil {
				continue
			}
			acked = append(acked, seed)
			if n++; n == 25+round*13 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait() // it was killed
		s, err := Open(killOptions(dir))
		if err != nil {
			t.Fatalf("round %d, with %d acknowledged: %v", round, len(acked), err)
		}
		for _, seed := range acked {
			c := planned(killText(seed))
			mustRead(t, s, c, killText(seed))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(acked) < 100 {
		t.Fatalf("only %d were acknowledged", len(acked))
	}
}

// planned returns the content that Put makes of b, without storing it.
func planned(b []byte) Content {
	c := Content{Size: int64(len(b))}
	for len(b) > 0 {
		n := min(len(b), ChunkSize)
		c.Chunks = append(c.Chunks, Chunk{Digest: federation.Sum(b[:n]), Size: n})
		b = b[n:]
	}
	return c
}
