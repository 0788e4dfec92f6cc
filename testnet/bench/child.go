package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/testnet"
)

// childArg is the first argument of this program when it runs a node for another one of it, so that the node's memory is
// its own and it can be killed.
const childArg = "run-node"

// child is such a program.
type child struct {
	*process
	in  io.WriteCloser
	out *bufio.Scanner
}

// startChild runs a mode of runChild and waits for its first line.
func startChild(args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return startChildIn(exec.Command(self, append([]string{childArg}, args...)...))
}

func startChildIn(cmd *exec.Cmd) (*child, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, pipe, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout = pipe
	p, err := spawn(cmd)
	if err := errors.Join(err, pipe.Close()); err != nil {
		return nil, errors.Join(err, out.Close())
	}
	c := &child{process: p, in: in, out: bufio.NewScanner(out)}
	if _, err := c.hear(); err != nil {
		c.stop(syscall.SIGKILL)
		return nil, err
	}
	return c, nil
}

// hear returns the next line that the child says.
func (c *child) hear() (string, error) {
	if !c.out.Scan() {
		<-c.done
		return "", fmt.Errorf("the child ended: %w: %s", errors.Join(c.err, c.out.Err()), c.log.String())
	}
	word, rest, _ := strings.Cut(c.out.Text(), " ")
	if word == "failed" {
		return "", errors.New(rest)
	}
	return rest, nil
}

// ask tells the child what to do and returns its answer.
func (c *child) ask(format string, args ...any) (string, error) {
	if _, err := fmt.Fprintf(c.in, format+"\n", args...); err != nil {
		return "", err
	}
	return c.hear()
}

// quit has the child stop in order.
func (c *child) quit() error {
	if err := c.in.Close(); err != nil {
		return err
	}
	timer := time.NewTimer(30 * time.Second)
	defer timer.Stop()
	select {
	case <-c.done:
		return c.err
	case <-timer.C:
		c.stop(syscall.SIGKILL)
		return errors.New("the child did not stop in time")
	}
}

// anonymous returns how many bytes of memory the child has that no file stands behind.
func (c *child) anonymous() (float64, error) {
	text := fieldOf(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid), "RssAnon")
	kb, err := strconv.ParseFloat(strings.TrimSuffix(text, " kB"), 64)
	return kb * 1024, err
}

// runChild is the child's side. It says "ready", then answers each line of in until in ends.
func runChild(ctx context.Context, args []string, in io.Reader, out, diag io.Writer) int {
	err := errors.New("no mode")
	if len(args) > 0 {
		switch args[0] {
		case "node":
			err = childNode(ctx, args[1], in, out)
		case "portal":
			err = childOpen(ctx, args[1], portalSettings, in, out)
		case "found":
			err = childFound(ctx, args[1], args[2], in, out)
		case "join":
			err = childJoin(ctx, args[1], args[2], args[3], in, out)
		case "fill":
			err = childFill(ctx, args[1], out)
		case "wire":
			err = childWire(ctx, args[1:], in, out)
		}
	}
	if err != nil {
		_, _ = fmt.Fprintln(out, "failed", strings.ReplaceAll(err.Error(), "\n", " "))
		_, _ = fmt.Fprintln(diag, err)
		return 1
	}
	return 0
}

// childNode runs the node of a data folder. It knows
//
//	locate PATIENT          how many documents a patient has
//	drain DOCUMENT N        fetch the document N times at once, over and over; answers at once
//	take DOCUMENT           fetch the document once; answers with the seconds
//	small N DOCUMENT...     fetch the documents, N at once; answers with the seconds
//	rate DOCUMENT SECONDS   fetch the document for so long; answers with MB/s
//	keep N BYTES            take in N documents of so many bytes; answers with their ids
//	wait DOCUMENT...        wait until the documents can be fetched
//	invite TRUST            answers with an invitation
//	origin                  the address of its portal
//	profile FILE            begin a profile of the process; without FILE, end it
func childNode(ctx context.Context, data string, in io.Reader, out io.Writer) error {
	return childOpen(ctx, data, func(*node.Settings) {}, in, out)
}

// childOpen is childNode with settings of its own.
func childOpen(ctx context.Context, data string, set func(*node.Settings), in io.Reader, out io.Writer) error {
	settings, err := node.LoadSettings(data, "", func(string) string { return "" })
	if err != nil {
		return err
	}
	settings.InsecureDevKeys, settings.TestNumbers = true, true
	set(&settings)
	n, err := node.Open(ctx, node.Options{Data: data, Settings: settings, NoAdmin: true, Statfs: testnet.RoomyStatfs})
	if err != nil {
		return err
	}
	err = n.Agreed(ctx, consensus.Local(), func(r consensus.Reader) error {
		_, err := index.Locate(r, index.Query{Subject: subjectOf(1)})
		return err
	})
	_, _ = fmt.Fprintln(out, "ready")
	draining, stop := context.WithCancel(ctx)
	defer stop()
	for lines := bufio.NewScanner(in); err == nil && lines.Scan(); {
		var answer string
		if answer, err = childAnswer(draining, n, strings.Fields(lines.Text())); err == nil {
			_, _ = fmt.Fprintln(out, "done", answer)
		}
	}
	stop()
	closing, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return errors.Join(err, n.Close(closing))
}

// search is a node's Locate. A node whose folder was filled without it does not answer before the region has told it that it has all.
func search(ctx context.Context, n *node.Node, q *admin.LocateRequest) (*admin.LocateReply, error) {
	for {
		reply, err := n.Locate(ctx, q)
		if admin.CodeOf(err) != admin.CodeStale || ctx.Err() != nil {
			return reply, err
		}
		pause(ctx, 10*time.Millisecond)
	}
}

func childAnswer(ctx context.Context, n *node.Node, words []string) (string, error) {
	switch words[0] {
	case "locate":
		reply, err := search(ctx, n, &admin.LocateRequest{Patient: words[1]})
		return fmt.Sprint(len(reply.GetDocuments())), err
	case "drain":
		at, err := strconv.Atoi(words[2])
		if err != nil {
			return "", err
		}
		for range at {
			go func() {
				for ctx.Err() == nil {
					if err := drain(ctx, n, words[1]); err != nil && ctx.Err() == nil {
						fmt.Fprintln(os.Stderr, "drain:", err)
						return
					}
				}
			}()
		}
		return "", nil
	case "take":
		began := time.Now()
		err := drain(ctx, n, words[1])
		return fmt.Sprint(time.Since(began).Seconds()), err
	case "small":
		at, err := strconv.Atoi(words[1])
		if err != nil {
			return "", err
		}
		documents := words[2:]
		began := time.Now()
		err = each(at, func(w int) error {
			for i := w; i < len(documents); i += at {
				if err := drain(ctx, n, documents[i]); err != nil {
					return err
				}
			}
			return nil
		})
		return fmt.Sprint(time.Since(began).Seconds()), err
	default:
		return childRecord(ctx, n, words)
	}
}

// drain fetches a document to nowhere.
func drain(ctx context.Context, n *node.Node, document string) error {
	return n.Fetch(ctx, &admin.FetchRequest{Document: document}, func(*admin.FetchReply) error { return nil })
}

// childFill publishes more pointers in a prepared folder until it is killed.
func childFill(ctx context.Context, data string, out io.Writer) error {
	p := &prepared{data: data}
	in, err := p.inside()
	if err != nil {
		return err
	}
	if err := in.lead(ctx); err != nil {
		return err
	}
	base, err := in.enlist(ctx)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintln(out, "ready")
	subjects := make([]federation.Subject, 1000)
	for i := range subjects {
		subjects[i] = subjectOf(1<<30 + i)
	}
	for from := int(base) + 1<<24; ; from += 8000 {
		if err := in.publish(ctx, subjects, from, 8000); err != nil {
			return err
		}
	}
}
