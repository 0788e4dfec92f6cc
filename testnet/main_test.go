package testnet

import (
	"flag"
	"os"
	"runtime"
	"strconv"
	"testing"
)

// atATime is how many scenarios go side by side: more than the cores, because half of a scenario's time is spent waiting for
// the disk, and so few that all their nodes stay within 4 GiB.
const atATime = 4

// TestMain has the scenarios go side by side, unless -parallel says how.
func TestMain(m *testing.M) {
	flag.Parse()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "test.parallel" })
	if !asked {
		if err := flag.Set("test.parallel", strconv.Itoa(max(atATime, runtime.GOMAXPROCS(0)))); err != nil {
			panic(err) // the flag is there, and takes a number
		}
	}
	os.Exit(m.Run())
}
