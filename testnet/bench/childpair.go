package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/testnet"
)

// childFound founds a region and runs its first node.
func childFound(ctx context.Context, data, listen string, in io.Reader, out io.Writer) error {
	settings := trialSettings()
	settings.Listen, settings.Watch = listen, tireless()
	_, err := node.Init(ctx, node.InitOptions{Data: data, Settings: settings, Region: "Bench", Trust: custodian, Name: "Imperial", Voters: 3, Now: time.Now()})
	if err != nil {
		return err
	}
	return childNode(ctx, data, in, out)
}

// childJoin joins a region and runs the node.
func childJoin(ctx context.Context, data, listen, invitation string, in io.Reader, out io.Writer) error {
	settings := trialSettings()
	settings.Listen, settings.Watch = listen, tireless()
	if _, err := node.Join(ctx, node.JoinOptions{Data: data, Settings: settings, Invitation: invitation, Now: time.Now()}); err != nil {
		return err
	}
	return childNode(ctx, data, in, out)
}

// childRecord is childAnswer for what concerns records and the region.
func childRecord(ctx context.Context, n *node.Node, words []string) (string, error) {
	switch words[0] {
	case "rate":
		seconds, err := strconv.Atoi(words[2])
		if err != nil {
			return "", err
		}
		rate, err := rateOf(ctx, n, words[1], time.Duration(seconds)*time.Second)
		return fmt.Sprint(rate), err
	case "keep":
		count, err1 := strconv.Atoi(words[1])
		size, err2 := strconv.ParseInt(words[2], 10, 64)
		if err := errors.Join(err1, err2); err != nil {
			return "", err
		}
		return keepMany(ctx, n, count, size)
	case "wait":
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		return "", testnet.WaitFor(ctx, "the documents", func(ctx context.Context) error {
			for _, id := range words[1:] {
				if err := n.Fetch(ctx, &admin.FetchRequest{Document: id, Length: 1}, func(*admin.FetchReply) error { return nil }); err != nil {
					return err
				}
			}
			return nil
		})
	case "invite":
		var line string
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		err := testnet.WaitFor(ctx, "the region to be founded", func(ctx context.Context) error {
			reply, err := n.Invite(ctx, &admin.InviteRequest{Trust: words[1], Name: words[1]})
			line = reply.GetInvitation()
			return err
		})
		return line, err
	case "origin":
		return n.PortalURL(), nil
	case "profile":
		return "", childProfile(words[1:])
	default:
		return "", fmt.Errorf("unknown word %q", words[0])
	}
}

func keepMany(ctx context.Context, n *node.Node, count int, size int64) (string, error) {
	var ids []string
	for i := range count {
		content := pattern{size: size, blocks: int(max(size/block, 1)), seed: uint64(i) + uint64(size)<<20}
		id, err := keep(ctx, n, i, fmt.Sprintf("%d.pdf", i), size, content)
		if err != nil {
			return "", err
		}
		ids = append(ids, string(id))
	}
	return strings.Join(ids, " "), nil
}

// rateOf fetches a document, again when it has ended, for a time, and returns MB/s.
func rateOf(ctx context.Context, n *node.Node, document string, d time.Duration) (float64, error) {
	u := &until{end: time.Now().Add(d)}
	for {
		err := n.Fetch(ctx, &admin.FetchRequest{Document: document}, func(reply *admin.FetchReply) error { return u.add(len(reply.GetData())) })
		if u.over { // a node does not hand on what its caller failed with
			return float64(u.bytes) / 1e6 / d.Seconds(), nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// childProfile begins a profile of this process, or ends it where no file is named.
func childProfile(file []string) error {
	if len(file) == 0 {
		pprof.StopCPUProfile()
		return nil
	}
	f, err := os.Create(file[0])
	if err != nil {
		return err
	}
	return pprof.StartCPUProfile(f) // the file is closed with the process
}
