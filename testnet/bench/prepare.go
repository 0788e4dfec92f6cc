package main

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage"
	"github.com/ridgeway-exchange/ridgeway/testnet"
)

// prepared is the data folder of a node whose region has many documents of other trusts.
type prepared struct {
	data     string
	pointers int
	patients int
}

// prepare makes the folders once, one with a tenth of the pointers and one with all, and returns both.
func (e *env) prepare(ctx context.Context) (small, large *prepared, err error) {
	if e.small, err = e.prepareOne(ctx, e.small, e.pointers()/10); err != nil {
		return nil, nil, err
	}
	e.large, err = e.prepareOne(ctx, e.large, e.pointers())
	return e.small, e.large, err
}

func (e *env) prepareOne(ctx context.Context, p *prepared, pointers int) (*prepared, error) {
	if p != nil {
		return p, nil
	}
	p = &prepared{data: filepath.Join(cmp.Or(e.kept, e.dir), fmt.Sprintf("index-%d", pointers)), pointers: pointers, patients: pointers / perPatient}
	if p.found() {
		return p, nil
	}
	began := time.Now()
	if _, err := node.Init(ctx, node.InitOptions{
		Data: p.data, Settings: trialSettings(), Region: "Bench", Trust: "RYJ", Name: "Imperial", Voters: 3, Now: time.Now(),
	}); err != nil {
		return nil, err
	}
	in, err := p.inside()
	if err != nil {
		return nil, err
	}
	err = in.fill(ctx, p)
	if err := errors.Join(err, in.close()); err != nil {
		return nil, err
	}
	e.say("filled %s pointers in %s", thousands(int64(pointers)), time.Since(began).Round(time.Second))
	if e.kept == "" {
		return p, nil
	}
	return p, os.WriteFile(p.data+wholeFile, nil, 0o644)
}

// wholeFile says, beside a folder that is kept, that it was filled to its end.
const wholeFile = ".whole"

// found reports whether an earlier run has filled the folder.
func (p *prepared) found() bool {
	_, err := os.Stat(p.data + wholeFile)
	return err == nil
}

func trialSettings() node.Settings {
	return node.Settings{Listen: "127.0.0.1:0", InsecureDevKeys: true, TestNumbers: true}
}

// open starts the node itself.
func (p *prepared) open(ctx context.Context) (*node.Node, error) {
	settings := trialSettings()
	settings.Watch = tireless()
	return node.Open(ctx, node.Options{Data: p.data, Settings: settings, NoAdmin: true})
}

// number returns the NHS number of the i-th patient, of the range that is never issued.
func number(i int) string {
	for body := 999_000_000 + 2*i; ; body++ { // where one has no check digit, the next has
		digits, sum := strconv.Itoa(body), 0
		for k, c := range digits {
			sum += int(c-'0') * (10 - k)
		}
		if check := (11 - sum%11) % 11; check != 10 {
			return digits + strconv.Itoa(check)
		}
	}
}

// inside is the region's copy in a node's folder, opened without the node.
type inside struct {
	*replica
	folder     *storage.Folder
	rig        *rig
	self       *speaker
	charter    []byte
	subjectKey []byte
}

// inside opens the region's copy with the node's own keys, so that the node goes on where this leaves off.
func (p *prepared) inside() (*inside, error) {
	master, err := storage.LoadMasterKey(context.Background(), storage.KeySource{File: filepath.Join(p.data, storage.DevKeyFile), DataDir: p.data, AllowInside: true})
	if err != nil {
		return nil, err
	}
	in := &inside{rig: &rig{}, self: &speaker{id: "RYJ"}}
	if in.folder, err = storage.OpenFolder(p.data, "", master); err != nil {
		return nil, err
	}
	for name, to := range map[string]*ed25519.PrivateKey{"node-key": &in.self.node, "statement-key": &in.self.statement} {
		seed, err := in.folder.LoadSecret(name)
		if err != nil {
			return nil, errors.Join(err, in.folder.Close())
		}
		*to = ed25519.NewKeyFromSeed(seed)
	}
	var member struct{ SubjectKey, Charter []byte }
	secret, err := in.folder.LoadSecret("membership")
	if err == nil {
		err = json.Unmarshal(secret, &member)
	}
	in.charter, in.subjectKey = member.Charter, member.SubjectKey
	if err == nil {
		in.rig.init()
		in.replica, err = in.rig.open(replicaOptions{dir: in.folder.Path("region"), key: in.self.node, sealer: in.folder.Sealer("region state")})
	}
	if err != nil {
		return nil, errors.Join(err, in.folder.Close())
	}
	return in, nil
}

func (in *inside) close() error { return errors.Join(in.replica.close(), in.folder.Close()) }

// lead waits until this replica, the only voter, leads.
func (in *inside) lead(ctx context.Context) error {
	return testnet.WaitFor(ctx, "the node to lead", func(context.Context) error {
		if in.Status().State != consensus.Leader {
			return errors.New("it does not")
		}
		return nil
	})
}

// merged waits until the tables are what they are in service, when nothing has been taken in for a while.
func (in *inside) merged(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	return testnet.WaitFor(ctx, "tables to be merged", func(context.Context) error {
		if in.Status().Merging {
			return errors.New("they are not")
		}
		return nil
	})
}

// subject is the pseudonym of a patient in this region.
func (in *inside) subject(i int) federation.Subject {
	mac := hmac.New(sha256.New, in.subjectKey)
	mac.Write([]byte("ridgeway subject v1\x00" + number(i)))
	return federation.Subject(mac.Sum(nil)[:16])
}

// fill founds the region and has other trusts publish.
func (in *inside) fill(ctx context.Context, p *prepared) error {
	if err := in.Bootstrap(ctx); err != nil {
		return err
	}
	if err := in.lead(ctx); err != nil {
		return err
	}
	signed, err := federation.DecodeSigned(in.charter)
	if err != nil {
		return err
	}
	in.self.seq, in.self.prev = 1, signed.ID()
	region := signed.ID()
	if err := accept(ctx, in.Replica, in.charter, consensus.Urgent); err != nil {
		return err
	}
	for i := range publishers {
		t := newSpeaker(i)
		t.prev = region
		in.rig.trusts = append(in.rig.trusts, t)
		if err := in.self.tell(ctx, in.Replica, federation.Enrol{Member: t.member()}, consensus.Bulk); err != nil {
			return err
		}
		rules := federation.Agreement{Version: 1, Effective: time.Now().UTC().Add(-time.Hour).Truncate(time.Microsecond), Cedar: policy.DefaultAgreement(t.id)}
		if err := t.tell(ctx, in.Replica, rules, consensus.Bulk); err != nil {
			return err
		}
	}
	subjects := make([]federation.Subject, p.patients)
	for i := range subjects {
		subjects[i] = in.subject(i)
	}
	return in.publish(ctx, subjects, 0, p.pointers)
}

// enlist takes up the chains of the trusts that have published, and returns how many pointers there are.
func (in *inside) enlist(ctx context.Context) (pointers uint64, err error) {
	err = in.View(ctx, consensus.Local(), func(r consensus.Reader) error {
		counts, err := index.CountsOf(r)
		pointers = counts.Pointers
		for i := range publishers {
			t := newSpeaker(i)
			if err == nil {
				t.seq, t.prev, err = index.Head(r, t.id)
			}
			in.rig.trusts = append(in.rig.trusts, t)
		}
		return err
	})
	return pointers, err
}

// enrich gives the patient after the last one many documents, unless an earlier run has.
func (in *inside) enrich(ctx context.Context, p *prepared, documents int) error {
	subject := in.subject(p.patients)
	there := 0
	err := in.View(ctx, consensus.Local(), func(r consensus.Reader) error {
		page, err := index.Locate(r, index.Query{Subject: subject, Limit: index.MaxPage})
		there = len(page.Pointers)
		return err
	})
	if err != nil || there == documents {
		return err
	}
	if err := in.lead(ctx); err != nil {
		return err
	}
	if _, err := in.enlist(ctx); err != nil {
		return err
	}
	return in.publish(ctx, []federation.Subject{subject}, 1<<40, documents)
}

// publish has the trusts publish the documents from to from+n.
func (in *inside) publish(ctx context.Context, subjects []federation.Subject, from, n int) error {
	return each(publishers, func(i int) error {
		t := in.rig.trusts[i]
		var batch []federation.Pointer
		for k := from + i; k < from+n; k += publishers {
			batch = append(batch, pointerOf(t.id, subjects[k%len(subjects)], k))
			if len(batch) == batchSize || k+publishers >= from+n {
				if err := t.tell(ctx, in.Replica, federation.Publish{Pointers: batch}, consensus.Bulk); err != nil {
					return err
				}
				batch = batch[:0]
			}
		}
		return nil
	})
}

// folderSize returns the bytes of all files of a folder as they lie on the disk.
func folderSize(dir string) (int64, error) {
	var total int64
	err := filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil // removed meanwhile
		}
		if err == nil && info.Mode().IsRegular() {
			total += onDisk(info)
		}
		return err
	})
	return total, err
}
