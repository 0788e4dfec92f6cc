package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// goodKey is a master key.
var goodKey = strings.Repeat("0f1e2d3c", 8)

// keyed is a region of one trust whose master key lies outside the data folder, as it should. Its node does not run.
func keyed(t *testing.T) *place {
	t.Helper()
	p := newPlace(t, quick)
	p.write(t, "key", goodKey+"\n")
	p.write(t, "other-key", strings.Repeat("1f2e3d4c", 8)+"\n")
	p.json(t, "init", "--data", "d1", "--region", "North West London", "--trust", "RYJ", "--name", "Imperial", "--listen", port(t), "--master-key-file", "key")
	return p
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	p := sharedNode(t)
	listen := p.json(t, "status", "--data", "d1")["address"].(string)
	other := keyed(t)
	other.fails(t, admin.CodeInUse, []string{listen, "in use", "--listen"}, "serve", "--data", "d1", "--listen", listen)
	invitation := p.json(t, "invite", "--data", "d1", "--trust", "RPX", "--name", "Port")["invitation"].(string)
	for at, c := range map[string]struct {
		code  admin.Code
		words []string
	}{
		listen:            {admin.CodeInUse, []string{"in use", "--listen"}},
		"192.0.2.1:7401":  {admin.CodeConfig, []string{"192.0.2.1:7401", "not an address of this machine", "--advertise"}},
		"no.invalid:7401": {admin.CodeConfig, []string{"no.invalid", "cannot find", "--listen"}},
	} {
		other.fails(t, c.code, c.words, "init", "--data", "d9", "--region", "R", "--trust", "RYJ", "--name", "N", "--listen", at, dev)
		if _, err := os.Stat(other.path("d9")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: a folder was made all the same: %v", at, err)
		}
	}
	other.fails(t, admin.CodeInUse, []string{listen, "in use", "--listen"}, "join", "--data", "d2", "--listen", listen, dev, "--yes", invitation)
	if st := other.run(t, "serve", "--data", "d1", "--listen", "192.0.2.1:7401", "--json"); true {
		st.failure(t, admin.CodeConfig, "192.0.2.1:7401", "not an address of this machine", "--advertise")
	}
}

func TestDataFolders(t *testing.T) {
	t.Parallel()
	p := keyed(t)
	format := string(p.read(t, "d1/FORMAT"))

	t.Run("not there", func(t *testing.T) {
		p.fails(t, admin.CodeDataFolder, []string{"d9", "ridgeway init", "ridgeway join"}, "serve", "--data", "d9", "--listen", "127.0.0.1:0", dev)
		p.fails(t, admin.CodeDataFolder, []string{"d9", "ridgeway init", "--data"}, "status", "--data", "d9")
	})
	t.Run("not a data folder", func(t *testing.T) {
		p.write(t, "plain/letter.txt", "hello")
		p.fails(t, admin.CodeDataFolder, []string{"plain", "not a Ridgeway data folder", "ridgeway init"}, "serve", "--data", "plain", "--listen", port(t), "--master-key-file", "key")
		p.fails(t, admin.CodeDataFolder, []string{"plain", "not empty", "name a folder"}, "init", "--data", "plain", "--region", "R", "--trust", "RYJ", "--name", "N", "--listen", port(t), "--master-key-file", "key")
	})
	t.Run("founded already", func(t *testing.T) {
		p.fails(t, admin.CodeDataFolder, []string{"d1", "not empty"}, "init", "--data", "d1", "--region", "R", "--trust", "RYJ", "--name", "N", "--listen", port(t))
	})
	t.Run("no node runs", func(t *testing.T) {
		for _, args := range [][]string{{"status"}, {"locate", patient}, {"fetch", "RYJ-0000000000000000"}, {"object", patient}, {"audit", "verify"}} {
			p.fails(t, admin.CodeUnavailable, []string{"d1", "no node runs", "ridgeway serve"}, append(args, "--data", "d1")...)
		}
	})
	t.Run("wrong master key", func(t *testing.T) {
		p.fails(t, admin.CodeWrongKey, []string{"d1", "master key", "give the key it was made with"}, "serve", "--data", "d1", "--master-key-file", "other-key")
	})
	t.Run("another version", func(t *testing.T) {
		later := strings.Replace(format, "ridgeway data folder 1", "ridgeway data folder 2", 1)
		p.write(t, "d1/FORMAT", later)
		p.fails(t, admin.CodeDataFolder, []string{"d1", "version 2", "use the version of ridgeway"}, "serve", "--data", "d1")
	})
	t.Run("damaged", func(t *testing.T) {
		p.write(t, "d1/FORMAT", strings.Replace(format, "node ", "node 0", 1))
		p.fails(t, admin.CodeIntegrity, []string{"d1", "FORMAT", "restore", "nothing was changed"}, "serve", "--data", "d1")
	})
	t.Run("of another node", func(t *testing.T) {
		p.json(t, "init", "--data", "d3", "--region", "R", "--trust", "RAS", "--name", "N", "--listen", port(t), "--master-key-file", "key")
		p.write(t, "d1/FORMAT", string(p.read(t, "d3/FORMAT")))
		p.fails(t, admin.CodeDataFolder, []string{"d1", "another node", "restore"}, "serve", "--data", "d1")
	})
	t.Run("of another node with another key", func(t *testing.T) {
		node, _, _ := strings.Cut(strings.SplitAfter(string(p.read(t, "d3/FORMAT")), "\nnode ")[1], "\n")
		lines := strings.SplitAfter(format, "\n")
		head := lines[0] + "node " + node + "\n" + lines[2]
		p.write(t, "d1/FORMAT", head+fmt.Sprintf("sum %x\n", sha256.Sum256([]byte(head))))
		p.fails(t, admin.CodeWrongKey, []string{"d1", "master key"}, "serve", "--data", "d1")
	})
	p.write(t, "d1/FORMAT", format)
	node := p.start(t, "serve", "--data", "d1", "--json")
	node.shows(t, node.out, `"ready": true`)
	t.Run("in use by another process", func(t *testing.T) {
		pid := fmt.Sprint(node.cmd.Process.Pid)
		p.fails(t, admin.CodeInUse, []string{"d1", pid, "in use by another process", "stop"}, "serve", "--data", "d1", "--listen", port(t))
	})
	if e := node.interrupt(t); e.status != 0 {
		t.Errorf("after all these refusals the folder is as good as before: %v", e)
	}
}

func TestUnsafeConfiguration(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write(t, "key", goodKey+"\n")
	p.write(t, "data/key", goodKey+"\n")
	p.write(t, "short-key", "0f0f\n")
	init := []string{"init", "--data", "data", "--region", "R", "--trust", "RYJ", "--name", "N", "--listen", "127.0.0.1:7401"}
	for _, c := range []struct {
		name  string
		args  []string
		env   string
		words []string
	}{
		{"no master key", init, "", []string{"master key", "none is named", "master_key_file", "--insecure-dev-keys"}},
		{"key in the data folder", append(init, "--master-key-file", "data/key"), "", []string{"data/key", "lies in the data folder", "move it out"}},
		{"key outside and inside", append(init, "--master-key-file", "key", dev), "", []string{"--insecure-dev-keys", "keep one"}},
		{"key that is not there", append(init, "--master-key-file", "gone"), "", []string{"gone", "no such file"}},
		{"key too short", append(init, "--master-key-file", "short-key"), "", []string{"short-key", "64"}},
		{"no address", []string{"init", "--data", "data", "--region", "R", "--trust", "RYJ", "--name", "N", dev}, "", []string{"listen", "--listen host:port"}},
		{"address of every interface", append(init, dev, "--listen", "0.0.0.0:7401"), "", []string{"0.0.0.0:7401", "--advertise"}},
		{"address without port", append(init, dev, "--listen", "localhost"), "", []string{"localhost", "host:port"}},
		{"bad duration", append(init, dev, "--lease", "10"), "", []string{"--lease", `"10"`, "10s"}},
		{"bad duration in the environment", append(init, dev), "RIDGEWAY_ELECTION=soon", []string{"RIDGEWAY_ELECTION", "soon", "500ms"}},
		{"lease too long", append(init, dev, "--lease", "5m"), "", []string{"lease", "5m", "2s and 60s"}},
		{"metrics for all to see", append(init, dev, "--metrics", "0.0.0.0:9090"), "", []string{"metrics", "loopback"}},
		{"a boolean that is none", init, "RIDGEWAY_INSECURE_DEV_KEYS=perhaps", []string{"RIDGEWAY_INSECURE_DEV_KEYS", "perhaps", "true or false"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := &place{dir: p.dir}
			if c.env != "" {
				q.env = []string{c.env}
			}
			q.fails(t, admin.CodeConfig, c.words, c.args...)
			if _, err := os.Stat(p.path("data/FORMAT")); err == nil {
				t.Fatal("a data folder was made all the same")
			}
		})
	}
}

func TestConfigurationFile(t *testing.T) {
	t.Parallel()
	p := keyed(t)
	good := string(p.read(t, "d1/ridgeway.yaml"))
	for _, c := range []struct {
		name, yaml string
		words      []string
	}{
		{"unknown key", good + "lisen: 127.0.0.1:1\n", []string{"d1/ridgeway.yaml", "lisen", "^"}},
		{"bad duration", good + "lease: soon\n", []string{"d1/ridgeway.yaml", "lease", "soon", "10s"}},
		{"not YAML", "listen: [\n", []string{"d1/ridgeway.yaml", "^"}},
		{"twice the same key", good + "listen: 127.0.0.1:1\n", []string{"d1/ridgeway.yaml", "listen", "^"}},
		{"the key itself", good + "master_key: 0f0f\n", []string{"d1/ridgeway.yaml", "master_key", "^"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p.write(t, "d1/ridgeway.yaml", c.yaml)
			p.fails(t, admin.CodeConfig, c.words, "serve", "--data", "d1")
		})
	}
	p.fails(t, admin.CodeConfig, []string{"gone.yaml"}, "serve", "--data", "d1", "--config", "gone.yaml")
	p.write(t, "d1/ridgeway.yaml", good)
	if !strings.Contains(good, "master_key_file: "+p.path("key")) || strings.Contains(good, goodKey) {
		t.Errorf("the configuration keeps where the key is, and never the key: %s", good)
	}
}
