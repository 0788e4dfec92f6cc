package node

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/web"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// PortalSettings are the portal's own settings.
type PortalSettings = web.Settings

// PatientPersona is a patient who can be chosen in the portal of a demonstration.
type PatientPersona = web.PatientPersona

// DemoPersonas are the invented people who can be chosen in the portal of a demonstration.
func DemoPersonas() []string { return web.DemoPersonas() }

// openPortal serves the portal on the address of the settings, if there is one.
func (n *Node) openPortal(ctx context.Context) error {
	s := n.options.Settings
	if s.Portal.Listen == "" {
		return nil
	}
	mode := record.Live
	if s.TestNumbers || s.InsecureDevKeys {
		mode = record.Test
	}
	p, err := web.New(web.Config{Settings: s.Portal, Trial: s.InsecureDevKeys, Trust: n.Trust(), Names: n.trustName, Numbers: mode, Region: n, Logger: n.logger, Socket: n.options.Portal})
	if err != nil {
		return admin.Errorf(admin.CodeConfig, "%v", err)
	}
	l, err := p.Listen()
	if err != nil {
		return admin.Errorf(admin.CodeConfig, "the portal cannot be opened: %v", err)
	}
	n.portal = p
	ctx, cancel := context.WithCancel(ctx)
	n.tasks.Go(func() {
		if err := p.Serve(ctx, l); err != nil {
			n.logger.Warn("the portal ended", slog.Any("error", err))
		}
	})
	n.onClose(func(context.Context) error { cancel(); return nil })
	return nil
}

// PortalURL returns the portal's address; empty when there is none.
func (n *Node) PortalURL() string {
	if n.portal == nil {
		return ""
	}
	return n.portal.Origin()
}

// Describe tells of one document of a patient, as Locate would list it. It returns nil for one that is the patient's and that
// the user may not know of, of which only its custodian may say why, and CodeNotFound for every other document.
func (n *Node) Describe(ctx context.Context, patient, document string, who *admin.Asker) (*admin.Located, error) {
	missing := admin.Errorf(admin.CodeNotFound, "there is no such document of this patient")
	number, err := n.patient(patient)
	if err != nil {
		return nil, err
	}
	id, err := federation.ParseDocumentID(document)
	if err != nil {
		return nil, missing
	}
	who = asker(who)
	if err := n.admit(ctx, who); err != nil {
		return nil, err
	}
	if err := n.mayAnswer(); err != nil {
		return nil, err
	}
	subject := n.records.Subject(number)
	local := n.refusalsBefore(ctx, subject)
	waiting, err := n.waiting(ctx, subject) // before the index, as in a list
	if err != nil {
		return nil, err
	}
	var out *admin.Located
	err = n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) error {
		p, withdrawn, found, err := index.Pointer(r, id)
		if err != nil {
			return fmt.Errorf("read the index: %w", err)
		}
		if !found && id.Custodian() == n.Trust() {
			if doc, err := n.records.Document(ctx, id); err == nil && doc.Legal == "" { // the region has not heard of it
				p, found = doc.Pointer(), true
			}
		}
		subjects, err := index.Linked(r, subject)
		if err != nil {
			return fmt.Errorf("read the patient's links: %w", err)
		}
		if !found || withdrawn || !slices.Contains(subjects, p.Subject) {
			return missing
		}
		if gone, err := n.gone(ctx, &p); err != nil || gone {
			return cmp.Or(err, error(missing))
		}
		said := saidBy(r, local, subject)
		l := listing{n: n, r: r, subject: subject, linked: subjects, may: n.sight(ctx, r, who, subject, said)}
		if err := l.take(waiting); err != nil {
			return err
		}
		out, err = l.one(ctx, p)
		return err
	})
	return out, err
}

// Emergency returns until when an emergency lasts that a member of this trust's staff has declared about a patient; the zero
// time when there is none.
func (n *Node) Emergency(ctx context.Context, patient, user string) (time.Time, error) {
	number, err := n.patient(patient)
	if err != nil {
		return time.Time{}, err
	}
	subjects, err := n.linked(ctx, n.records.Subject(number))
	if err != nil {
		return time.Time{}, err
	}
	if r, found := n.reviews.granted(n.Trust(), user, subjects, time.Now()); found {
		return r.Until, nil
	}
	return time.Time{}, nil
}
