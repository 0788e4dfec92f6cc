package node

import (
	"flag"
	"os"
	"testing"
)

// TestMain has more tests go side by side than there are cores: their nodes mostly wait for each other and for the disk.
func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = flag.Set("test.parallel", "6") // the flag is there, and takes a number
	}
	os.Exit(m.Run())
}
