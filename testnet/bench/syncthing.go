package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/ridgeway-exchange/ridgeway/testnet"
)

// syncthing is two devices that share a folder: the first sends, the second receives.
type syncthing struct {
	api     []string
	folders []string
	serial  int
}

const syncthingKey = "bench" // of its own interface on loopback, for as long as it runs

// syncthing starts the devices and shares the folder. The peer is nil when there is none, and the error says why.
func (e *env) syncthing(ctx context.Context) (*syncthing, func(), error) {
	none := func() {}
	program, err := e.program("syncthing")
	if err != nil {
		return nil, none, err
	}
	home, err := e.lodge("syncthing")
	if err != nil {
		return nil, none, err
	}
	s := &syncthing{}
	ports, err := freePorts(4)
	for i := 0; i < 2 && err == nil; i++ {
		var p *process
		if p, err = s.start(program, filepath.Join(home.dir, fmt.Sprint(i)), ports[2*i], ports[2*i+1]); err == nil {
			home.running = append(home.running, p)
			err = p.ready(ctx, "Syncthing to answer", func(ctx context.Context) error {
				return s.call(ctx, i, http.MethodGet, "/rest/system/ping", nil, nil)
			})
		}
	}
	if err == nil {
		err = s.share(ctx, ports)
	}
	if err != nil {
		home.leave()
		return nil, none, err
	}
	return s, home.leave, nil
}

func (s *syncthing) start(program, home string, api, data int) (*process, error) {
	config := fmt.Sprintf(`<configuration version="36">
<gui enabled="true" tls="false"><address>127.0.0.1:%d</address><apikey>%s</apikey></gui>
<options><listenAddress>tcp://127.0.0.1:%d</listenAddress><globalAnnounceEnabled>false</globalAnnounceEnabled><localAnnounceEnabled>false</localAnnounceEnabled>
<relaysEnabled>false</relaysEnabled><natEnabled>false</natEnabled><urAccepted>-1</urAccepted><autoUpgradeIntervalH>0</autoUpgradeIntervalH>
<crashReportingEnabled>false</crashReportingEnabled><startBrowser>false</startBrowser><reconnectionIntervalS>5</reconnectionIntervalS></options>
</configuration>`, api, syncthingKey, data)
	folder := filepath.Join(home, "shared")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(home, "config.xml"), []byte(config), 0o600); err != nil {
		return nil, err
	}
	s.api = append(s.api, fmt.Sprintf("http://127.0.0.1:%d", api))
	s.folders = append(s.folders, folder)
	cmd := exec.Command(program, "--home="+home, "--no-browser", "--no-restart", "--no-upgrade", "--logflags=0")
	cmd.Env = append(os.Environ(), "STNODEFAULTFOLDER=1", "STNOUPGRADE=1")
	return spawn(cmd)
}

// share makes the devices known to each other and waits until they are connected and idle.
func (s *syncthing) share(ctx context.Context, ports []int) error {
	ids := make([]string, 2)
	for i := range ids {
		var status struct{ MyID string }
		if err := s.call(ctx, i, http.MethodGet, "/rest/system/status", nil, &status); err != nil {
			return err
		}
		ids[i] = status.MyID
	}
	for i := range ids {
		other := map[string]any{"deviceID": ids[1-i], "addresses": []string{fmt.Sprintf("tcp://127.0.0.1:%d", ports[2*(1-i)+1])}, "compression": "metadata"}
		if err := s.call(ctx, i, http.MethodPost, "/rest/config/devices", other, nil); err != nil {
			return err
		}
		folder := map[string]any{
			"id": "bench", "path": s.folders[i], "type": []string{"sendonly", "receiveonly"}[i], "fsWatcherEnabled": false,
			"rescanIntervalS": 0, "devices": []map[string]any{{"deviceID": ids[0]}, {"deviceID": ids[1]}},
		}
		if err := s.call(ctx, i, http.MethodPost, "/rest/config/folders", folder, nil); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return testnet.WaitFor(ctx, "the devices to be connected", func(ctx context.Context) error {
		var now struct {
			Connections map[string]struct{ Connected bool }
		}
		err := s.call(ctx, 1, http.MethodGet, "/rest/system/connections", nil, &now)
		if err == nil && !now.Connections[ids[0]].Connected {
			err = errors.New("not connected")
		}
		return err
	})
}

// send puts a file of size bytes into the sender's folder, has it scanned, and returns how many seconds from then on the
// receiver takes to have all of it.
func (s *syncthing) send(ctx context.Context, size int64) (float64, error) {
	s.serial++
	name := filepath.Join(s.folders[0], fmt.Sprint(s.serial))
	f, err := os.Create(name)
	if err != nil {
		return 0, err
	}
	content := pattern{size: size, blocks: int(size / block), seed: 1000 + uint64(s.serial)}
	_, err = io.Copy(f, io.NewSectionReader(content, 0, size))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return 0, err
	}
	if err := s.call(ctx, 0, http.MethodPost, "/rest/db/scan?folder=bench", nil, nil); err != nil {
		return 0, err
	}
	began := time.Now()
	arrived := filepath.Join(s.folders[1], fmt.Sprint(s.serial))
	waiting, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	// Syncthing writes to a temporary name and gives the file its own when it is complete.
	err = testnet.WaitFor(waiting, "the file to arrive", func(context.Context) error {
		info, err := os.Stat(arrived)
		if err == nil && info.Size() != size {
			err = fmt.Errorf("%d bytes", info.Size())
		}
		return err
	})
	took := time.Since(began).Seconds()
	if err != nil {
		return 0, err
	}
	if err := errors.Join(os.Remove(name), os.Remove(arrived)); err != nil {
		return 0, err
	}
	for i := range s.api {
		if err := s.call(ctx, i, http.MethodPost, "/rest/db/scan?folder=bench", nil, nil); err != nil {
			return 0, err
		}
	}
	return took, nil
}

func (s *syncthing) call(ctx context.Context, device int, method, path string, body, reply any) error {
	var b []byte
	if body != nil {
		var err error
		if b, err = json.Marshal(body); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, s.api[device]+path, bytes.NewReader(b))
	if err != nil {
		return err
	}
	req.Header.Set("X-API-Key", syncthingKey)
	got, err := answer(http.DefaultClient, req)
	if err != nil || reply == nil {
		return err
	}
	return json.Unmarshal(got, reply)
}
