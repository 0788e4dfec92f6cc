package node

import (
	"context"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/web"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
)

// Attend writes down that somebody has signed on or out at the portal, or was refused. A patient stands there by their pseudonym,
// and only when the provider has proved who they are.
func (n *Node) Attend(ctx context.Context, a *web.Attendance) error {
	e := audit.Entry{
		Time: time.Now().UTC(), Kind: audit.SignOn, Trust: n.Trust(), Node: n.ID(), User: clipText(a.User, audit.MaxName), Role: clipText(a.Role, audit.MaxName),
		Outcome: policy.Permit.String(), Detail: clipText(a.What, audit.MaxDetail),
	}
	if a.Out {
		e.Kind = audit.SignOut
	}
	if a.Refused {
		e.Outcome = policy.Denied.String()
	}
	if a.Own {
		e.User, e.Role, e.Purpose = patientRole, patientRole, patientPurpose
	}
	if a.Patient != "" {
		number, err := n.patient(a.Patient)
		if err != nil {
			return err
		}
		e.Subject = n.records.Subject(number)
	}
	return n.note(ctx, e)
}
