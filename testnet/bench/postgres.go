package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// postgres is a server with a table of pointers, one index, and nobody else.
type postgres struct {
	bin, dir string
	port     int
	as       *syscall.Credential // it refuses to run as root
	script   string
}

// postgres starts the server and copies the pointers in. The peer is nil when there is none, and the error says why.
func (e *env) postgres(ctx context.Context, pointers int) (*postgres, func(), error) {
	none := func() {}
	initdb, err := e.program("/usr/lib/postgresql/15/bin/initdb", "/usr/lib/postgresql/16/bin/initdb", "/usr/lib/postgresql/17/bin/initdb", "initdb")
	if err != nil {
		return nil, none, err
	}
	dir, err := e.temp("postgres")
	if err != nil {
		return nil, none, err
	}
	clean := func() { _ = os.RemoveAll(dir) }
	p := &postgres{bin: filepath.Dir(initdb), dir: dir}
	if err := p.own(); err != nil {
		clean()
		return nil, none, err
	}
	if _, err := capture(ctx, nil, p.command("initdb", "-D", filepath.Join(dir, "data"), "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C")); err != nil {
		clean()
		return nil, none, err
	}
	ports, err := freePorts(1)
	if err != nil {
		clean()
		return nil, none, err
	}
	p.port = ports[0]
	server, err := spawn(p.command("postgres", "-D", filepath.Join(dir, "data"), "-k", dir, "-c", "listen_addresses=127.0.0.1", "-p", strconv.Itoa(p.port),
		"-c", "shared_buffers=512MB", "-c", "max_wal_size=4GB", "-c", "max_connections=100"))
	if err != nil {
		clean()
		return nil, none, err
	}
	stop := func() {
		server.stop(syscall.SIGINT) // a fast shutdown
		clean()
	}
	err = server.ready(ctx, "postgres to answer", func(ctx context.Context) error {
		_, err := p.sql(ctx, nil, "select 1")
		return err
	})
	if err == nil {
		err = p.fill(ctx, pointers)
	}
	if err != nil {
		stop()
		return nil, none, err
	}
	return p, stop, nil
}

// own gives the folder to a user that is not root.
func (p *postgres) own() error {
	if os.Geteuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		p.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		return os.Chown(p.dir, uid, gid)
	}
	return fmt.Errorf("postgres does not run as root, and there is no other user: %w", errSkipped)
}

func (p *postgres) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(p.bin, program), args...)
	cmd.Dir = p.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.as}
	return cmd
}

func (p *postgres) sql(ctx context.Context, in io.Reader, text string) (string, error) {
	return capture(ctx, in, p.command("psql", "-h", p.dir, "-p", strconv.Itoa(p.port), "-U", "bench", "-d", "postgres", "-qAt", "-v", "ON_ERROR_STOP=1", "-c", text))
}

// fill copies the pointers in, in the order in which they come in a region, and analyses the table.
func (p *postgres) fill(ctx context.Context, pointers int) error {
	const table = `create table pointer (subject uuid not null, document text not null, custodian text not null, confidentiality smallint not null,
		manifest bytea not null, type text not null, category text not null, specialty text not null, content_type text not null, language text not null,
		title text not null, author text not null, status smallint not null, date timestamptz not null, parts int not null, pages int not null, bytes bigint not null)`
	if _, err := p.sql(ctx, nil, table); err != nil {
		return err
	}
	patients := pointers / perPatient
	r, w := io.Pipe()
	go func() {
		b := bufio.NewWriterSize(w, 1<<20)
		for i := range pointers {
			d := pointerOf("R001", subjectOf(i%patients), i)
			_, _ = fmt.Fprintf(b, "%x\t%s\t%s\t%d\t\\\\x%x\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%d\t%d\t%d\n", patientUUID(i%patients), d.Document, d.Custodian(), d.Confidentiality,
				d.Manifest[:], d.Type, d.Category, d.Specialty, d.ContentType, d.Language, d.Title, d.Author, d.Status, d.Date.Format(time.RFC3339), d.Parts, d.Pages, d.Bytes)
		}
		w.CloseWithError(b.Flush()) // psql says what went wrong
	}()
	if _, err := p.sql(ctx, r, "copy pointer from stdin"); err != nil {
		return err
	}
	for _, text := range []string{"create index on pointer (subject, date desc)", "vacuum analyze pointer", "checkpoint"} {
		if _, err := p.sql(ctx, nil, text); err != nil {
			return err
		}
	}
	p.script = filepath.Join(p.dir, "locate.sql")
	text := fmt.Sprintf("\\set n random(0, %d)\nselect * from pointer where subject = (lpad(to_hex((:n)::int), 32, '0'))::uuid order by date desc limit 50;\n", patients-1)
	return os.WriteFile(p.script, []byte(text), 0o644)
}

// patientUUID is a patient as the table names one, as pgbench can compute it.
func patientUUID(n int) []byte {
	return append(bytes.Repeat([]byte{0}, 12), byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

var transactionsRate = regexp.MustCompile(`(?m)^tps = ([0-9.]+)`)

// locate returns how often a second the documents of a patient are read, by pgbench's clients over a unix socket with prepared statements.
func (p *postgres) locate(ctx context.Context, clients int, d time.Duration) (float64, error) {
	seconds := max(int(d.Seconds()), 1)
	out, err := capture(ctx, nil, p.command("pgbench", "-h", p.dir, "-p", strconv.Itoa(p.port), "-U", "bench", "-n", "-M", "prepared",
		"-c", strconv.Itoa(clients), "-j", "2", "-T", strconv.Itoa(seconds), "-f", p.script, "postgres"))
	if err != nil {
		return 0, err
	}
	m := transactionsRate.FindStringSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("%w: %s", errNoFigure, strings.TrimSpace(out))
	}
	return strconv.ParseFloat(m[1], 64)
}
