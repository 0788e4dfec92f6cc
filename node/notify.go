package node

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

const (
	notifyTimeout = 20 * time.Second // for one message
	notifyPause   = 5 * time.Second  // before a message is tried again; doubled each time
	notifyMost    = 5 * time.Minute  // longest pause
)

// Notice is what privacy officers are told: that there is a review, and where. It names no patient and no user, because it
// leaves the node by ways that are not the region's.
type Notice struct {
	Event  string    `json:"event"`  // opened, overdue
	Review string    `json:"review"` // its id
	Kind   string    `json:"kind"`   // break_glass, or the rule of misuse
	Trust  string    `json:"trust"`  // where it is to be reviewed
	Due    time.Time `json:"due"`
}

// id names the notice, the same however often it is tried.
func (t Notice) id() string { return t.Review + "." + t.Event }

func (t Notice) subject() string {
	if t.Event == toldOverdue {
		return fmt.Sprintf("Ridgeway at %s: review %s is overdue", t.Trust, t.Review)
	}
	return fmt.Sprintf("Ridgeway at %s: an access is to be reviewed (%s)", t.Trust, t.Review)
}

func (t Notice) text() string {
	what := "An access to a patient's record is to be reviewed."
	switch {
	case t.Event == toldOverdue:
		what = "The review of an access to a patient's record is overdue."
	case t.Kind == glassKind:
		what = "A patient's record is being opened in an emergency (break-glass)."
	}
	return fmt.Sprintf("%s\n\nReview:  %s\nKind:    %s\nAt:      %s\nDue:     %s\n\nFor particulars:  ridgeway review list\n", what, t.Review, t.Kind, t.Trust, t.Due.UTC().Format("2 January 2006 15:04 MST"))
}

// Notifier tells privacy officers of a review.
type Notifier func(ctx context.Context, t Notice) error

// channel is one way by which privacy officers are told, with how it fares.
type channel struct {
	name string
	send Notifier
	wake chan struct{} // capacity 1

	mu    sync.Mutex
	since time.Time // of the first failure in a row; zero: it works
	why   error
}

// newChannels makes the ways that the settings name. The log is always one of them.
func (n *Node) newChannels() ([]*channel, error) {
	s := n.options.Settings.Notify
	out := []*channel{{name: "log", send: n.logNotice}}
	if s.SMTP != nil {
		m, err := newMailer(*s.SMTP)
		if err != nil {
			return nil, err
		}
		out = append(out, &channel{name: "smtp", send: m.send})
	}
	if s.Webhook != nil {
		w, err := newWebhook(*s.Webhook)
		if err != nil {
			return nil, err
		}
		out = append(out, &channel{name: "webhook", send: w.send})
	}
	if n.options.Notifier != nil {
		out = append(out, &channel{name: "program", send: n.options.Notifier})
	}
	for _, c := range out {
		c.wake = make(chan struct{}, 1)
	}
	return out, nil
}

func (n *Node) logNotice(_ context.Context, t Notice) error {
	n.logger.Warn("an access is to be reviewed", slog.String("event", t.Event), slog.String("review", t.Review), slog.String("kind", t.Kind), slog.Time("due", t.Due))
	return nil
}

// notify tells of reviews by every channel, each in its own time: one that is down holds up no other.
func (n *Node) notify(ctx context.Context) {
	var running sync.WaitGroup
	for _, c := range n.channels {
		running.Go(func() { n.tellBy(ctx, c) })
	}
	for {
		select {
		case <-ctx.Done():
			running.Wait()
			return
		case <-n.reviews.wake:
			for _, c := range n.channels {
				signal(c.wake)
			}
		}
	}
}

// tellBy tells by one channel what waits for it, until ctx ends.
func (n *Node) tellBy(ctx context.Context, c *channel) {
	pause := notifyPause
	for {
		id, event, waits := n.reviews.untold(c.name)
		var again <-chan time.Time
		if waits {
			if n.tellOne(ctx, c, id, event) == nil {
				pause = notifyPause
				continue
			}
			timer := time.NewTimer(pause)
			defer timer.Stop()
			again, pause = timer.C, min(2*pause, notifyMost)
		}
		wake := c.wake
		if waits {
			wake = nil // something new does not make a channel that is down be tried sooner
		}
		select {
		case <-ctx.Done():
			return
		case <-wake:
		case <-again:
		}
	}
}

func (n *Node) tellOne(ctx context.Context, c *channel, id, event string) error {
	r, found := n.reviews.get(id)
	if !found {
		return nil
	}
	sending, cancel := context.WithTimeout(ctx, notifyTimeout)
	err := c.send(sending, Notice{Event: event, Review: r.ID, Kind: r.Kind, Trust: string(n.Trust()), Due: r.Due})
	cancel()
	if err == nil {
		err = n.reviews.told(ctx, c.name, id)
	}
	if c.fared(err) && err != nil && ctx.Err() == nil {
		n.logger.Warn("privacy officers cannot be told; it is tried again", slog.String("channel", c.name), slog.Any("error", err))
	}
	return err
}

// fared notes how a message went, and reports whether that is news.
func (c *channel) fared(err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	news := (err == nil) != (c.why == nil)
	switch {
	case err == nil:
		c.since = time.Time{}
	case c.why == nil:
		c.since = time.Now().UTC()
	}
	c.why = err
	return news
}

// trouble says since when and why a channel does not work, and how many notices wait; none while it works.
func (c *channel) trouble(d *reviewDesk) (since time.Time, waiting int, why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.why == nil {
		return since, 0, nil
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, r := range d.all {
		waiting += len(r.Untold[c.name])
	}
	return c.since, waiting, c.why
}

// untold returns the oldest notice that a channel has not sent.
func (d *reviewDesk) untold(channel string) (id, event string, found bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var oldest *review
	for _, r := range d.all {
		if len(r.Untold[channel]) > 0 && (oldest == nil || r.At.Before(oldest.At)) {
			oldest = r
		}
	}
	if oldest == nil {
		return "", "", false
	}
	return oldest.ID, oldest.Untold[channel][0], true
}

// told takes the first notice of a review off a channel's queue.
func (d *reviewDesk) told(ctx context.Context, channel, id string) error {
	return d.change(ctx, id, func(r *review) (bool, error) {
		if len(r.Untold[channel]) == 0 {
			return false, nil
		}
		if r.Untold[channel] = r.Untold[channel][1:]; len(r.Untold[channel]) == 0 {
			delete(r.Untold, channel)
		}
		return true, nil
	})
}

func notifyProblem(format string, args ...any) error {
	return admin.Errorf(admin.CodeConfig, "notify: "+format, args...)
}
