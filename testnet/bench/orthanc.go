package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// orthanc is one or two servers; the first knows the second as a peer.
type orthanc struct {
	urls   []string
	client *http.Client
	serial int
}

// orthanc starts the servers. The peer is nil when there is none, and the error says why.
func (e *env) orthanc(ctx context.Context, servers int) (*orthanc, func(), error) {
	none := func() {}
	program, err := e.program("Orthanc", "/usr/sbin/Orthanc")
	if err != nil {
		return nil, none, err
	}
	home, err := e.lodge("orthanc")
	if err != nil {
		return nil, none, err
	}
	ports, err := freePorts(servers)
	if err != nil {
		home.leave()
		return nil, none, err
	}
	o := &orthanc{client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	for _, port := range ports {
		o.urls = append(o.urls, fmt.Sprintf("http://127.0.0.1:%d", port))
	}
	for i, port := range ports {
		p, err := startOrthanc(program, filepath.Join(home.dir, fmt.Sprint(i)), port, o.urls[servers-1])
		if err == nil {
			home.running = append(home.running, p)
			err = p.ready(ctx, "Orthanc to answer", func(ctx context.Context) error {
				_, err := o.call(ctx, http.MethodGet, o.urls[i]+"/system", nil)
				return err
			})
		}
		if err != nil {
			home.leave()
			return nil, none, err
		}
	}
	return o, home.leave, nil
}

func startOrthanc(program, dir string, port int, peer string) (*process, error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	config, err := json.Marshal(map[string]any{
		"Name": "bench", "StorageDirectory": filepath.Join(dir, "storage"), "IndexDirectory": filepath.Join(dir, "index"), "Plugins": []string{},
		"HttpPort": port, "DicomServerEnabled": false, "RemoteAccessAllowed": false, "AuthenticationEnabled": false, "SyncStorageArea": true,
		"OrthancPeers": map[string]any{"other": []string{peer + "/"}},
	})
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "orthanc.json")
	if err := os.WriteFile(path, config, 0o644); err != nil {
		return nil, err
	}
	cmd := exec.Command(program, path)
	cmd.Dir = dir
	return spawn(cmd)
}

func (o *orthanc) call(ctx context.Context, method, url string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return answer(o.client, req)
}

// answer returns the body of a successful answer.
func answer(c *http.Client, req *http.Request) ([]byte, error) {
	res, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s: %s", req.Method, req.URL, res.Status, bytes.TrimSpace(b))
	}
	return b, err
}

// stored is Orthanc's answer to an instance.
type stored struct{ ID, ParentPatient, Status string }

// upload has clients store n instances of size bytes each at the first server, and returns them and how long it took.
func (o *orthanc) upload(ctx context.Context, n, size, clients int) ([]stored, time.Duration, error) {
	o.serial++
	files := make([][]byte, n)
	for i := range files {
		files[i] = dicomFile(o.serial, i, size)
	}
	out := make([]stored, n)
	began := time.Now()
	err := each(clients, func(w int) error {
		for i := w; i < n; i += clients {
			b, err := o.call(ctx, http.MethodPost, o.urls[0]+"/instances", files[i])
			if err != nil {
				return err
			}
			if err := json.Unmarshal(b, &out[i]); err != nil {
				return err
			}
			if out[i].Status != "Success" {
				return fmt.Errorf("instance %d: %s", i, out[i].Status)
			}
		}
		return nil
	})
	return out, time.Since(began), err
}

// forget removes the patients of instances from a server.
func (o *orthanc) forget(ctx context.Context, server int, instances []stored) error {
	gone := make(map[string]bool)
	for _, s := range instances {
		if gone[s.ParentPatient] {
			continue
		}
		gone[s.ParentPatient] = true
		if _, err := o.call(ctx, http.MethodDelete, o.urls[server]+"/patients/"+s.ParentPatient, nil); err != nil {
			return err
		}
	}
	return nil
}

// intake is a sample of images a second that are taken in.
func (o *orthanc) intake(n, size, clients int) sample {
	return func(ctx context.Context) (float64, error) {
		instances, took, err := o.upload(ctx, n, size, clients)
		if err != nil {
			return 0, err
		}
		return float64(n) / took.Seconds(), o.forget(ctx, 0, instances)
	}
}

// sender is a sample of the seconds that it takes to send n instances to the peer.
func (o *orthanc) sender(ctx context.Context, n, size int) (sample, error) {
	instances, _, err := o.upload(ctx, n, size, 8)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, s := range instances {
		ids = append(ids, s.ID)
	}
	body, err := json.Marshal(map[string]any{"Resources": ids, "Synchronous": true})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (float64, error) {
		began := time.Now()
		_, err := o.call(ctx, http.MethodPost, o.urls[0]+"/peers/other/store", body)
		took := time.Since(began)
		if err != nil {
			return 0, err
		}
		return took.Seconds(), o.forget(ctx, 1, instances)
	}, nil
}

// dicomFile makes a secondary capture image of about size bytes: a file as DICOM PS3.10 says, explicit VR, little endian.
func dicomFile(run, n, size int) []byte {
	const class, syntax = "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.1.2.1"
	uid := func(kind, n int) string { return fmt.Sprintf("1.2.826.0.1.3680043.10.999.%d.%d.%d", kind, run, n) }
	rows := uint16(256)
	columns := uint16(size / 256)
	var meta []byte
	meta = element(meta, 2, 1, "OB", []byte{0, 1})
	meta = element(meta, 2, 2, "UI", []byte(class))
	meta = element(meta, 2, 3, "UI", []byte(uid(3, n)))
	meta = element(meta, 2, 0x10, "UI", []byte(syntax))
	meta = element(meta, 2, 0x12, "UI", []byte(uid(0, 0)))
	out := append(make([]byte, 128, size+2048), "DICM"...)
	out = element(out, 2, 0, "UL", binary.LittleEndian.AppendUint32(nil, uint32(len(meta))))
	out = append(out, meta...)
	u16 := func(v uint16) []byte { return binary.LittleEndian.AppendUint16(nil, v) }
	pixels := make([]byte, int(rows)*int(columns))
	fillRandom(pixels, uint64(run)<<32+uint64(n))
	for _, e := range []struct {
		group, number uint16
		vr            string
		value         []byte
	}{
		{8, 0x16, "UI", []byte(class)},
		{8, 0x18, "UI", []byte(uid(3, n))},
		{8, 0x60, "CS", []byte("OT")},
		{0x10, 0x10, "PN", fmt.Appendf(nil, "Bench^%d", n/perPatient)},
		{0x10, 0x20, "LO", fmt.Appendf(nil, "B%d.%d", run, n/perPatient)},
		{0x20, 0xd, "UI", []byte(uid(1, n/perPatient))},
		{0x20, 0xe, "UI", []byte(uid(2, n/perPatient))},
		{0x20, 0x13, "IS", fmt.Appendf(nil, "%d", n)},
		{0x28, 2, "US", u16(1)},
		{0x28, 4, "CS", []byte("MONOCHROME2")},
		{0x28, 0x10, "US", u16(rows)},
		{0x28, 0x11, "US", u16(columns)},
		{0x28, 0x100, "US", u16(8)},
		{0x28, 0x101, "US", u16(8)},
		{0x28, 0x102, "US", u16(7)},
		{0x28, 0x103, "US", u16(0)},
		{0x7fe0, 0x10, "OB", pixels},
	} {
		out = element(out, e.group, e.number, e.vr, e.value)
	}
	return out
}

// element appends a data element.
func element(b []byte, group, number uint16, vr string, value []byte) []byte {
	if len(value)%2 == 1 {
		pad := byte(' ')
		if vr == "UI" {
			pad = 0
		}
		value = append(value[:len(value):len(value)], pad)
	}
	b = binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(b, group), number)
	b = append(b, vr...)
	if vr == "OB" {
		b = binary.LittleEndian.AppendUint32(append(b, 0, 0), uint32(len(value)))
	} else {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(value)))
	}
	return append(b, value...)
}
