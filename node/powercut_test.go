package node

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// onDisk notes how much of each file of a node's copy of the agreed state is on the disk for certain.
type onDisk struct {
	mu     sync.Mutex
	length map[string]int64
}

func (d *onDisk) sync(f *os.File) error {
	info, err := f.Stat()
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		d.mu.Lock()
		d.length[f.Name()] = info.Size()
		d.mu.Unlock()
	}
	return err
}

// cut copies a node's copy of the agreed state as the disk has it for certain at this moment.
func (d *onDisk) cut(t *testing.T, data string) (left string) {
	t.Helper()
	states, err := filepath.Glob(filepath.Join(data, "region", "state*"))
	if err != nil || len(states) != 1 {
		t.Fatalf("%d states: %v", len(states), err)
	}
	left = filepath.Join(t.TempDir(), filepath.Base(states[0]))
	d.mu.Lock()
	defer d.mu.Unlock()
	copyFolder(t, states[0], left)
	journals, err := filepath.Glob(filepath.Join(left, "*.jnl"))
	if err != nil || len(journals) == 0 {
		t.Fatalf("no journal: %v", err)
	}
	for _, f := range journals { // tables are synced before they are named
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		if length := d.length[filepath.Join(states[0], filepath.Base(f))]; info.Size() > length {
			if err := os.Truncate(f, length); err != nil {
				t.Fatal(err)
			}
		}
	}
	return left
}

// TestPowerCutTakesNoObjectionAway: what an objection refuses at the node that took it, it refuses from then on. It leaves the record
// store, which is synced, only once the copy of the agreed state, which is not, has it on the disk: else a node that starts again
// without the region would know of it from neither.
func TestPowerCutTakesNoObjectionAway(t *testing.T) {
	t.Parallel()
	disk := &onDisk{length: make(map[string]int64)}
	var mu sync.Mutex
	n := settledNode(t, func(o *Options) {
		o.Tune = func(c *consensus.Config) { c.Sync, c.Machine = disk.sync, heldBack{c.Machine, &mu} }
	})
	id := takeLetters(t, n, 0, 1)[0]
	open := func(n *Node) error {
		_, _, err := collect(t, n, &admin.FetchRequest{Document: string(id)})
		return err
	}
	eventually(t, "the letter", func() bool { return outbox(t, n).Outbox == 0 && open(n) == nil })
	stop(t, n) // so that all until now is on the disk
	n = reopen(t, n.options)
	eventually(t, "the letter again", func() bool { return open(n) == nil })
	recordDirective(t, n, deny(&admin.DirectiveScope{Trust: string(n.Trust())}))
	eventually(t, "the region to have agreed", func() bool { return outbox(t, n).Outbox == 0 })
	left := disk.cut(t, n.options.Data)
	if err := open(n); admin.CodeOf(err) != admin.CodeNotFound && admin.CodeOf(err) != admin.CodeDenied {
		t.Fatalf("before the power cut: %v", err)
	}
	stop(t, n)
	copyFolder(t, left, filepath.Join(n.options.Data, "region", filepath.Base(left)))
	mu.Lock() // the region cannot be reached: nothing comes from the log
	t.Cleanup(mu.Unlock)
	again := reopen(t, n.options)
	if err := open(again); admin.CodeOf(err) != admin.CodeNotFound && admin.CodeOf(err) != admin.CodeDenied {
		t.Errorf("after the power cut: %v, want it refused", err)
	}
}
